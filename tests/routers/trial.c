/* trial.c - routers for tests, one a macro: each does one thing that can be told from outside. */
#include <math.h>
#include <stddef.h>

#include "consilium_router.h"

#ifndef ABI
#define ABI CONSILIUM_ROUTER_ABI
#endif

static int select_experts(void *state, const consilium_token *token, consilium_selection *s)
{
    (void)state;
#if defined NOTHING /* says nothing */
    (void)token, (void)s;
    return 0;
#elif defined SAME  /* says what was there */
    (void)token, (void)s;
    return 1;
#elif defined BAN   /* as a mask that bans experts 1 and 3 */
    (void)token;
    s->allowed[1] = s->allowed[3] = 0;
    return 1;
#elif defined TWO   /* as --experts 2 */
    (void)token;
    s->k = 2;
    return 1;
#elif defined FREE  /* tries to call what a mask forbids */
    (void)token;
    for (int e = 0; e < s->experts; e++) {
        s->allowed[e] = 1;
        s->bias[e] = e == 1 ? 1000 : 0;
    }
    return 1;
#elif defined FIRST /* the expert that the router likes least comes first, by what it is shown */
    int least = 0;
    for (int e = 1; e < s->experts; e++)
        least = token->logits[e] < token->logits[least] ? e : least;
    s->bias[least] = token->x[0] > 0 || token->previous >= 0 ? 50 : 0;
    return 1;
#elif defined NAN_BIAS
    (void)token;
    s->bias[0] = NAN;
    return 1;
#elif defined MANY
    (void)token;
    s->k = 6;
    return 1;
#elif defined NONE
    (void)token;
    for (int e = 0; e < s->experts; e++)
        s->allowed[e] = 0;
    return 1;
#else /* GIVES_UP */
    (void)token, (void)s;
    return -1;
#endif
}

const consilium_router consilium_router_plugin = {
    .abi = ABI, .name = "trial", .expert_selection = select_experts};
