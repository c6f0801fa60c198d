/* talk.h - the interactive conversation: what the loop and its commands share.
 *
 * A talk holds the loaded model, the dialogue, the transcript it is saved in, the terminal and what
 * the user has set. The loop (command_talk.c) reads a line, decides what it is (slash.h), and either
 * runs a command or asks; talk_ask.c shows an exchange and saves it. What the user sets is kept as options
 * (`set`), in the words that the command line has for it, so every way of setting is checked by the
 * one table; talk_seats.c makes seats of them. Nothing here ends the process.
 */
#ifndef REPL_TALK_H
#define REPL_TALK_H

#include "../../personas/conversation/conversation.h"
#include "../../personas/roster/persona_tree.h"
#include "../options/ask_options.h"
#include "../options/mode_options.h"
#include "../options/options.h"
#include "../screen/view.h"
#include "../system/broker.h"
#include "line/line.h"

typedef struct talk talk;
struct talk_training;
struct mode_listener;
struct talk {
    const options *opt; /* as the program was started */
    options set;  /* as they stand now; its lists are the talk's, its texts opt's or `words` */
    char **words; /* texts that came later; owned */
    size_t word_count;
    console *con;
    broker *broker; /* does what the sandbox forbids */
    terminal *term;
    line_editor *line;
    engine *engine;
    conversation *conversation;
    dialogue *dialogue;             /* the conversation's */
    mode_options mode;              /* laid over `set`: what was asked for, and what it came to */
    struct mode_listener *listener; /* of `mode` on `engine`; NULL = not opened yet */
    options now;                    /* `set` with the mode over it, as it was seated */
    ask_options how;                /* `now`, taken apart */
    roster_options seats; /* as they were seated; its /mask lists are owned, the rest is `how`'s */
    char *folder;         /* of transcripts */
    bool unsaved;         /* records wait for the disk; said already */
    bool foreign;         /* told that the built-in model knows English only */
    view_layout layout;
    char focus[COLUMN_BYTES];
    bool live_routing; /* pictures of the experts called stand below growing answers */
    bool blind;        /* columns are A, B, C until a pick */
    char **
        blind_names; /* [blind_count] while a blind exchange waits for its pick: who is A, B, ... */
    int blind_count;
    char *system;          /* /system: said to every pass; NULL = nothing */
    const char **unmasked; /* [unmasked_count] /mask off: who speaks without a mask; of `words` */
    int unmasked_count;
    named_value *mask_penalties; /* [mask_penalty_count] /mask soften; names of `words` */
    int mask_penalty_count;
    char *note;                      /* what was said last about the seats */
    buf pending;                     /* files put into the next prompt by /file */
    int pending_files;               /* how many */
    struct talk_training *training;  /* a persona that learns meanwhile, or did; NULL = none */
    char chosen[SIGN_TEXT_MOST + 1]; /* the persona that --personas auto came to; "" = none yet */
    bool unread;    /* the question was given up while it was read: it returns to the line */
    bool leave;     /* /quit, Ctrl-D */
    bool editing;   /* the line begins with the last question */
    bool replacing; /* what is asked next takes the place of the last turn: /edit */
};

/* ---- saying things (talk_say.c) ----------------------------------------------------------------- */

/* A line of our own words on standard output; what it quotes is made harmless. */
int talk_say(talk *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Writes and empties text of ours, dimmed where there is colour. */
int talk_dim(talk *t, buf *text, error *err);
/* Writes and empties text, made harmless; it holds no sequences of ours. */
int talk_write(talk *t, buf *text, error *err);
/* What went wrong, as a sentence; the conversation goes on. */
void talk_error(talk *t, const error *err);
/* ERROR_USAGE unless something was asked; *turn = the last turn. */
int talk_turn(talk *t, struct turn **turn, error *err);
/* The name of a pass of the last turn that a user means by `word`: itself, the only one that it
 * begins, or what a blind column's letter stands for. NULL and ERROR_USAGE with the names. */
const char *talk_find_name(talk *t, const char *word, error *err);
/* How a pass is called now: its letter (in letter) while a blind exchange waits. Borrowed. */
const char *talk_display_name(const talk *t, const char *name, char letter[2]);
/* The blind exchange is over: tells who was who. */
int talk_reveal(talk *t, error *err);
void talk_forget_blind(talk *t); /* the same without a word */
/* Token ids[at] of ids[count] in quotes, harmless and at most `cells` wide. A token may be a piece of a
 * character: the pieces beside it make it whole, and "..." stands for what has not come yet. */
int talk_token(const talk *t, const int *ids, size_t count, size_t at, int cells, buf *out,
               error *err);
/* Foreign text for one line of ours (safe_text_excerpt). */
int talk_excerpt(const talk *t, const char *text, size_t cells, buf *out, error *err);

/* ---- who speaks (talk_seats.c) ------------------------------------------------------------------ */

/* A copy of text that lives as long as the talk; NULL when memory is out. */
const char *talk_copy_text(talk *t, const char *text, size_t len, error *err);
/* A path as it was typed: "~/x" is in the home folder. Lives as long as the talk. */
const char *talk_path(talk *t, const char *path, size_t n, error *err);
/* An option by its long name, as if it had stood on the command line; "default" takes it back.
 * Seats anew what it concerns. On error everything is as it was. */
int talk_set(talk *t, const char *name, const char *value, error *err);
bool talk_may_set(const char *name); /* while the conversation runs */
/* How answers are laid out from now on; focus: who is large, NULL = the first. */
int talk_view(talk *t, view_layout layout, const char *focus, error *err);
/* The mode for a prompt, seated when it is another one than before; told in a line where auto chose or a
 * depth changed. Where no tag decides, auto also goes by whose experts the model calls for it. *prompt, *len:
 * without its tags. */
int talk_choose_mode(talk *t, const char **prompt, size_t *len, error *err);
/* Modes or model are others now. */
void talk_forget_listener(talk *t);
/* The same of the persona where --personas auto was asked for. */
int talk_choose_persona(talk *t, const char **prompt, size_t *len, error *err);
/* What an option of /set is now, and who said so: "0.2", "persona". Appended. (talk_values.c) */
int talk_value(const talk *t, const option_info *row, buf *value, buf *from, error *err);
/* Takes `set` apart and seats the passes. On error the old seats stay. */
int talk_seat(talk *t, error *err);
void talk_release_seats(ask_options *how, roster_options *seats); /* {0} ok */
/* Opens the engine (when anew says so, or there is none) and a dialogue as `set` says; the turns move
 * there. On error all stays as it was. */
int talk_open_dialogue(talk *t, bool anew, error *err);
/* The same for another conversation, which takes the place of the one there is. On error it stays the
 * caller's. */
int talk_take(talk *t, conversation *c, error *err);
/* A persona speaks without its mask from now on, or with it as it is in the file. */
int talk_unmask(talk *t, const char *name, bool off, error *err);
/* Its mask is a logit bias of so many nats instead of forbidding; 0 = as it is in the file. */
int talk_soften(talk *t, const char *name, double nats, error *err);

/* ---- asking (talk_ask.c, talk_merge.c) ---------------------------------------------------------- */

/* One prompt: asks, shows, saves, merges. only: "coder", "coder,critic", or NULL = all. -1 when nothing
 * was asked. With t->replacing the last turn is undone first, unless nothing takes its place. */
int talk_ask(talk *t, const char *prompt, size_t len, const char *only, error *err);
int talk_retry(talk *t, const char *name, uint64_t seed, error *err);
/* The answer of `name` goes on, by at most so many tokens. */
int talk_continue(talk *t, const char *name, int more, error *err);
/* What /merge, /vote, /debate and /blend ask for. */
typedef struct merge_request {
    merge_method method;
    int rounds;
    const char *by;
    const char *const *of; /* [count], NULL = all */
    int count;
    const double *weights; /* blend: [passes] or NULL */
    uint64_t seed;
} merge_request;
int talk_merge(talk *t, const merge_request *request, error *err);
/* The same below answers that have just been shown. */
int talk_merge_in(talk *t, view *v, const merge_request *request, error *err);

/* ---- the file of the conversation (talk_session.c) ---------------------------------------------- */

/* The conversation, as the options say: --session, --resume, --no-save. Opens model and dialogue too. */
int talk_begin(talk *t, error *err);
int talk_resume(talk *t, const char *prefix, error *err);
/* A conversation without a past, in a transcript of its own; seats and settings stay, a seed that was
 * drawn is drawn anew. */
int talk_new(talk *t, error *err);
/* After what is recorded: tells when it could not be saved, and when all is saved again. */
void talk_saved(talk *t);

#endif
