/* chat_formats.h - the chat formats, as data, and what a template says about one.
 *
 * A family is what models agree on: the text around each role's messages. What differs between
 * templates of one family (a default system message, a date, thinking) is read from the template
 * into a chat_shape. Rendering goes to a sink, which gets special tokens by name and everything
 * else as text; chat.c's sink makes tokens of both, a test's sink writes them down.
 *
 * A special token is named only in the strings of the table; text of messages reaches the sink's
 * `text` unread, so nothing in it can become a special token.
 */
#ifndef ENGINE_CHAT_FORMATS_H
#define ENGINE_CHAT_FORMATS_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "../kernels/error.h"
#include "chat.h"
#include "chat_template.h"

enum { CHAT_MAX_RULES = 20, CHAT_MAX_MARKS = 8, CHAT_ROLES = 3 };

/* What a piece of a template tells about it: bits of chat_shape.means. */
typedef enum chat_meaning {
    CHAT_SAYS_TURN = 1,    /* it renders messages */
    CHAT_SAYS_REPLY = 2,   /* it opens an answer when asked */
    CHAT_SAYS_BOS = 4,     /* it starts with the bos token */
    CHAT_CUTS = 8,         /* earlier answers lose their thoughts */
    CHAT_WRAPS = 16,       /* an answer after the last question gets a thought, if an empty one */
    CHAT_OPENS = 32,       /* answers always begin with an open thought */
    CHAT_CAN_CLOSE = 64,   /* answers may begin with a closed, empty thought */
    CHAT_SPARES = 128,     /* answers without a thought keep their first newlines */
    CHAT_KEEPS_LAST = 256, /* the last message is never cut */
    CHAT_ONLY_REAL = 512,  /* no empty thoughts are made up */
    CHAT_IGNORED = 1024,   /* nothing new */
} chat_meaning;

/* Where the system message stands. */
typedef enum chat_place {
    CHAT_OWN_TURN,   /* a turn like the others */
    CHAT_FIRST_USER, /* in front of the first question, a blank line between */
    CHAT_LAST_USER,  /* in front of the last message, if that is a question */
} chat_place;

typedef enum chat_need {
    CHAT_MUST,       /* the vocabulary must have this token */
    CHAT_IF_FOUND,   /* a token when the vocabulary has it, else text */
    CHAT_IF_SPECIAL, /* a token when the vocabulary has it as a special one, else text */
} chat_need;

typedef struct chat_mark {
    const char *name; /* "<|im_start|>" */
    chat_need need;
} chat_mark;

typedef struct chat_rule {
    const char *piece;
    unsigned means;
} chat_rule;

/* Strings hold marks by name, CHAT_BOS and CHAT_EOS. */
typedef struct chat_family {
    const char *name;
    const char *open[CHAT_ROLES], *close[CHAT_ROLES]; /* around a message, by chat_role */
    const char *close_last; /* of an answer that ends the conversation, NULL = as others */
    const char *reply;      /* opens an answer */
    bool trims[CHAT_ROLES]; /* white space is cut off messages, by role */
    chat_place place;
    const char *preamble; /* stands in front of every system message, CHAT_DATE in it; or NULL */
    unsigned usual;       /* chat_meaning when the format is named without a template */
    chat_mark marks[CHAT_MAX_MARKS];
    const char *ends[CHAT_MAX_MARKS]; /* further tokens that end an answer, where they exist */
    chat_rule rules[CHAT_MAX_RULES];  /* every piece that its templates are made of */
} chat_family;

typedef struct chat_shape {
    const chat_family *family;
    unsigned means;
    char *system; /* default system message, or NULL; owned */
    char *date;   /* for the preamble, or NULL; owned */
    bool dated;   /* one of them holds the day */
} chat_shape;

/* Names the family whose rules explain every piece. 1 and *out filled; 0 when none does; -1 when
 * out of memory. `today` is for templates that ask for the date. */
int chat_shape_recognise(const chat_pieces *pieces, const struct tm *today, chat_shape *out,
                         error *err);
/* The family of that name with its usual options; 0 when there is none. */
int chat_shape_named(const char *name, const struct tm *today, chat_shape *out, error *err);
void chat_shape_release(chat_shape *s);
/* "chatml, llama3, ..." */
const char *chat_shape_names(void);

/* ---- rendering (chat_write.c) -------------------------------------------------------------- */

typedef struct chat_sink {
    void *user;
    /* A mark's name, CHAT_BOS or CHAT_EOS. */
    int (*special)(void *user, const char *name, size_t len, error *err);
    int (*text)(void *user, const char *text, size_t len, error *err);
} chat_sink;

int chat_write_all(const chat_shape *s, const chat_message *messages, size_t n, bool open_reply,
                   bool think, const chat_sink *to, error *err);
int chat_write_message(const chat_shape *s, const chat_message *message, const chat_sink *to,
                       error *err);
int chat_write_reply(const chat_shape *s, bool think, const chat_sink *to, error *err);
int chat_write_close(const chat_shape *s, const chat_sink *to, error *err);
int chat_write_thought_end(const chat_shape *s, const chat_sink *to, error *err);

#endif
