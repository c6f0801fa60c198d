/* ask.h - the parts of the ask command: what goes in (ask_input.c), what comes out (ask_output.c).
 *
 * ask_live.c is what comes out on a terminal; ask_options.c reads who answers and how;
 * ask_prepare.c is what must be known before a model is opened; ask_session.c continues a session
 * and saves what was said.
 *
 * One `ask` lives for one run of the command. Everything that can be refused from the words alone
 * is refused by ask_read(), before a model is opened.
 */
#ifndef REPL_ASK_H
#define REPL_ASK_H

#include "../../personas/conversation/conversation.h"
#include "../../personas/roster/persona_tree.h"
#include "../chat/report.h"
#include "../options/ask_options.h"
#include "../options/mode_options.h"
#include "../options/open_model.h"
#include "../screen/safe_text.h"
#include "../screen/view.h"

/* What a column of a terminal says beside its name. */
typedef struct live_column {
    buf acts, experts;
} live_column;

typedef struct ask {
    options own;        /* as asked; what was not said is as the session has it */
    const options *opt; /* the same */
    console *con;
    error *err;

    buf prompt;
    mode_options mode;
    guessed choice;  /* of --personas auto */
    ask_options how; /* who answers, and how */

    conversation *conversation;
    char *borrowed_names;         /* names that `own` borrows from the past */
    const char *const *variables; /* the list, of the past's texts, that `own` borrows */
    const char *system;           /* what the past's personas were told by /system, or NULL */
    error unkept;                 /* why there is no record, when there should be one */
    roster_options seats;
    dialogue *dialogue; /* the conversation's */

    const roster *roster;
    report report;
    bool failed;          /* *err is filled */
    merge_method merging; /* what auto came to */
    char unmerged[EVIDENCE_WORDS_MOST];
    int merge_tokens;
    double judge_begun;
    bool merge_streamed; /* its words are on the screen */
    int current;         /* the seat whose answer is streaming */
    bool heading_shown;  /* of the current seat */
    bool started;        /* the start event is out */
    buf *waiting;        /* [report.count] harmless text that waits for its turn */
    safe_text *filters;  /* [report.count] */

    terminal *term; /* NULL: nothing moves */
    view *view;     /* NULL before there is anything to show */
    char joining[COLUMN_BYTES +
                 16];     /* "team: vote" of the group whose answers are joined; "" = the turn's */
    view_column *columns; /* [seats] */
    live_column *live;    /* [seats] */
} ask;

/* Opens the conversation that is to be continued, or a new one. */
int ask_session_open(ask *a);
/* After what is recorded: notes in the report where it is saved. */
void ask_session_saved(ask *a);
/* "saved 3f9a", or why not. Returns `result`; ERROR_PARTIAL, told already, when that is 0 and the answers
 * were not saved. */
int ask_session_report(ask *a, int result);
void ask_session_close(ask *a);

/* Puts the prompt together and reads all that the options say. */
int ask_read(ask *a);
/* What is left of the prompt without its tags. */
void ask_cut_tags(ask *a, const guessed *g);
/* --personas auto: who answers, and says why. */
int ask_choose(ask *a);
/* Looks ahead into the persona files. */
int ask_prepare(ask *a);
/* Says when the built-in model is asked in a script that it cannot read. */
void ask_warn_of_script(ask *a);
void ask_release(ask *a);

/* Output: begin, start (the start event, once), tokens and answers as they come, finish (what is left). Failures set
 * a->failed and *a->err. */
int ask_begin(ask *a);
void ask_start(ask *a);
void ask_stream_token(ask *a, int pass, const char *bytes, size_t n, bool thinking);
void ask_stream_answer(ask *a, int pass); /* a group's, too: by the index of its seat */
int ask_finish(ask *a);
void ask_end(ask *a);

/* On a terminal (ask_live.c): the same in columns that grow. a->term says after the opening whether it is
 * one. Failures set a->failed and *a->err. */
int ask_live_open(ask *a);
void ask_live_prefill(ask *a, int done, int total);
void ask_live_token(ask *a, int pass, const char *bytes, size_t n, bool thinking);
void ask_live_answer(ask *a, int pass);
/* A group: how its answer came about, and the answer. */
void ask_live_joined(ask *a, int column);
/* Words of the merge, or n = 0: that it works. */
void ask_live_merge(ask *a, int pass, const char *bytes, size_t n, bool thinking);
void ask_live_judge(ask *a, int done, int total);
int ask_live_finish(ask *a);
void ask_live_close(ask *a);

#endif
