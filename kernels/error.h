/* error.h - the one error carrier of the whole program.
 *
 * Every function that can fail takes an `error *` as its last argument and returns -1 or NULL.
 * The leaf that found the fault writes the sentence that the user will read (file, field, value,
 * offset); callers pass it on untouched and, at most, put a few words in front of it with
 * error_prefix(). Nothing below repl/ prints, and only repl/main.c exits: it maps the code to the
 * exit status.
 *
 * The lowest folder owns this file because every folder above reports with it.
 */
#ifndef KERNELS_ERROR_H
#define KERNELS_ERROR_H

#ifdef __cplusplus
extern "C" {
#endif

typedef enum error_code {
    ERROR_NONE = 0,
    ERROR_RUN = 1,         /* failed at run time: I/O, memory, a device */
    ERROR_USAGE = 2,       /* the caller's words: an option, a text, a token id */
    ERROR_LOAD = 3,        /* a model, mask or persona that cannot be loaded */
    ERROR_PARTIAL = 4,     /* answered, but a pass or the merge failed */
    ERROR_CONTEXT = 5,     /* the context is full; nothing was changed */
    ERROR_CANCELLED = 130, /* the caller's cancel flag was seen; nothing was changed */
} error_code;

typedef struct error {
    error_code code;
    char text[512];
} error;

/* Writes code and a printf-formatted sentence into *err (err may be NULL; the text is cut at a
 * UTF-8 boundary when too long). Always returns -1, so that a leaf can `return error_set(...)`. */
int error_set(error *err, error_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts words in front of the sentence already there: "philosopher.json: " + text. Returns -1. */
int error_prefix(error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The sentence for an allocation that failed: `what` names what it was for. Returns -1. */
int error_memory(error *err, const char *what);

#ifdef __cplusplus
}
#endif
#endif
