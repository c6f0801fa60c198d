/* consilium_router.h - write a router of your own in C, and hand it to consilium with --router FILE.so.
 *
 *     cc -shared -fPIC -O2 -I PREFIX/include my_router.c -o my_router.so
 *     consilium ask '...' --router ./my_router.so
 *
 * The file exports one object, `const consilium_router consilium_router_plugin`. Before each layer with
 * experts chooses for a token, expert_selection() is shown what the layer's router reads and says, and
 * may change the choice: a logit bias, experts that are out, how many are called. What masks and rules
 * of a persona forbid stays forbidden. Returning 0 leaves the token as it is, byte for byte.
 *
 * The answer must be a function of the arguments and of what open() made, and of nothing else: tokens
 * are read in batches, some of them again after a question was taken back, in any order of sessions,
 * and a function that remembers gives answers that nobody can have again. It is called by one thread
 * at a time. It runs with the program's own rights, which the sandbox narrows; a crash in it is a crash.
 *
 * This header stands alone and may be copied. A file of another CONSILIUM_ROUTER_ABI is refused.
 */
#ifndef CONSILIUM_ROUTER_H
#define CONSILIUM_ROUTER_H

#ifdef __cplusplus
extern "C" {
#endif

#define CONSILIUM_ROUTER_ABI 1

/* The model that is routed. */
typedef struct consilium_model {
    int layers, experts, experts_per_token, width, vocabulary;
    const char *fingerprint; /* 64 hex digits; borrowed while open() runs */
    /* The bytes of a token, not ended by a NUL; may be part of a character. Borrowed until close(). */
    const char *(*piece)(const void *model, int token, unsigned long *length);
    const void *model; /* its first argument; stays until close() */
} consilium_model;

/* One token before one layer chooses. Borrowed while the call works. */
typedef struct consilium_token {
    int layer;    /* 0-based */
    int position; /* 0-based place in its sequence */
    int token;    /* its id */
    int previous; /* the id before it; -1 at the beginning */
    const float
        *x; /* [width] what the router reads: the residual stream behind attention, normed */
    const float *logits; /* [experts] what the router says, before masks and biases */
} consilium_token;

/* The choice, as the persona's program has it; change what you like. */
typedef struct consilium_selection {
    int experts;            /* in the arrays: the model's, then those that adapters add */
    float *bias;            /* [experts] nats, added for selection only */
    unsigned char *allowed; /* [experts] 1 = may be called; a 0 that was there stays */
    int k;                  /* experts called: 1 to most_experts, or as many as there were */
} consilium_selection;

typedef struct consilium_router {
    int abi;          /* CONSILIUM_ROUTER_ABI */
    const char *name; /* "parts of speech" */
    int most_experts; /* the largest k it asks for; 0 = never more than there were */
    /* *state = what the other two are handed. 0, or -1 with a sentence in why [size]. NULL = no state. */
    int (*open)(const consilium_model *model, void **state, char *why, unsigned long size);
    void (*close)(void *state); /* NULL = nothing to close */
    /* 1 = *selection holds; 0 = as if it had not been asked; -1 = the answer ends with an error. */
    int (*expert_selection)(void *state, const consilium_token *token,
                            consilium_selection *selection);
} consilium_router;

/* What a file for --router exports. */
extern const consilium_router consilium_router_plugin;

#ifdef __cplusplus
}
#endif
#endif
