/* chat_template.h - what a chat template would say, without running it.
 *
 * A template is a Jinja program from a stranger. It is read here like a document: cut into text,
 * expressions and blocks; branches that only serve tools, documents or other things we never pass
 * are crossed out; what is left is a list of pieces, each a stretch of output between two points
 * where the program could turn. In a piece, literal text stands as it is and everything else is one
 * byte: the role here, the message's text there. The pieces of
 *     {% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}
 * are "<|im_start|>ROLE\nTEXT<|im_end|>\n". chat_formats.c compares the pieces with those it knows:
 * a template that says anything else is not recognised.
 *
 * Nothing is evaluated but whether a branch mentions what we never pass, and the work is linear in
 * the text, so no template can loop, recurse deeply or grow.
 */
#ifndef ENGINE_CHAT_TEMPLATE_H
#define ENGINE_CHAT_TEMPLATE_H

#include <stddef.h>

#include "../kernels/error.h"
#include "buf.h"

/* Bytes that stand for values in a piece. None of them occurs in a literal: a literal that holds a
 * control byte (but tab and newline) becomes CHAT_OTHER. */
#define CHAT_ROLE    "\001" /* message.role */
#define CHAT_TEXT    "\002" /* message.content */
#define CHAT_TRIMMED "\003" /* message.content | trim */
#define CHAT_SYSTEM_ "\004" /* a variable with the system message */
#define CHAT_BOS     "\005"
#define CHAT_EOS     "\006"
#define CHAT_DATE    "\007" /* date_string */
#define CHAT_NOW     "\016" /* strftime_now(FORMAT), followed by FORMAT and a second CHAT_NOW */
#define CHAT_THOUGHT "\017" /* message.reasoning_content */
#define CHAT_SPLIT   "\020" /* content cut at "</think>" */
#define CHAT_OTHER   "\021" /* anything else */
#define CHAT_SET     "\022" /* NAME, this, VALUE: {% set NAME = VALUE %} of one of the above */

/* Pieces of their own: {% if '</think>' in content %}, {% if reasoning_content %} and
 * {% if not loop.last %}. */
#define CHAT_IF_THOUGHT  "if" CHAT_SPLIT
#define CHAT_IF_KEPT     "if kept" CHAT_SPLIT
#define CHAT_IF_NOT_LAST "if not last" CHAT_SPLIT

enum { CHAT_TEMPLATE_MAX = 256 * 1024, CHAT_PIECES_MAX = 256 };

/* The pieces in order of appearance, without repetition. {0} is valid and empty. */
typedef struct chat_pieces {
    char *v[CHAT_PIECES_MAX]; /* NUL-terminated */
    size_t len;
} chat_pieces;

/* Reads template[0..len). ERROR_LOAD with the offset when it is no Jinja that we can cut up, or too
 * large. */
int chat_pieces_read(const char *text, size_t len, chat_pieces *out, error *err);
void chat_pieces_release(chat_pieces *p);

/* ---- private to chat_template.c and chat_expression.c -------------------------------------- */

/* Appends what expression e[0..n) would print. 1 = it prints nothing and only raises an error. */
int chat_expression(const char *e, size_t n, buf *out, error *err);

/* True for a variable that has a byte of its own above. */
int chat_expression_knows(const char *name, size_t len);

typedef enum chat_truth { CHAT_FALSE, CHAT_MAYBE, CHAT_TRUE } chat_truth;

/* Whether condition e[0..n) holds when there are no tools, documents and the like. */
chat_truth chat_condition(const char *e, size_t n);
/* True when the words of e[0..n) mention what we never pass. */
int chat_mentions_absent(const char *e, size_t n);

#endif
