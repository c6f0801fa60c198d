/* special_ids.c - see special_ids.h. */
#include "special_ids.h"

#include <stdio.h>

int64_t special_id(const special_ids *s, const char *key, int64_t id, bool used)
{
    if (id >= 0 && id < s->tokens)
        return id;
    if (id != -1 && id != UINT32_MAX && s->warn) {
        char sentence[512];
        (void)snprintf(sentence, sizeof sentence,
                       "%s: %s is %lld, and there are %lld tokens: it counts as none", s->where,
                       key, (long long)id, (long long)s->tokens);
        s->warn(s->user, used ? CHECKPOINT_WARNING : CHECKPOINT_DETAIL, sentence);
    }
    return -1;
}
