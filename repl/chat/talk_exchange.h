/* talk_exchange.h - one exchange while it is on the screen: talk_ask.c, talk_merge.c, talk_footer.c. */
#ifndef REPL_TALK_EXCHANGE_H
#define REPL_TALK_EXCHANGE_H

#include "../../personas/roster/persona_tree.h"
#include "live_routes.h"
#include "report.h"
#include "talk.h"

enum { LETTERS = 26 };

typedef struct exchange {
    talk *talk;
    view *view;           /* NULL before there is anything to show */
    bool echo_off;        /* no echo since then */
    view_column *columns; /* [count] */
    live_routes *routes;  /* NULL unless they are watched */
    bool failed;          /* the view could not be opened: fault */
    error fault;
    bool blind;
    char letters[LETTERS][2]; /* names of blind columns */
    int *seat_of;             /* [count] seat of a column */
    int *column_of;           /* [seats] column of a seat, -1 = none */
    bool *complete;           /* [count] */
    buf *experts, *acts;      /* [count] */
    int count;
    int forgot_from, forgot_to; /* turns that left the memory; 0 = none */
    merge_method merging;
    const seat *group;               /* whose answers are joined; NULL = the turn's */
    char joining[COLUMN_BYTES + 16]; /* what a merge is called while it is at work */
    bool replaced;                /* the view of the answers gave way to one of a debate's round */
    const merge_request *request; /* while it is merged */
    int round;                    /* of a debate, whose view x->view is then; 0 = none */
    int *round_column;            /* [seats] column of a seat in it, -1 = none */
    bool *revised;                /* [seats] in this round */
    char round_name[16];
    int merge_tokens;
    bool merge_streamed;
} exchange;

void exchange_close(exchange *x);
/* The view, opened when it is not yet; NULL with x->fault. */
view *exchange_view(exchange *x);

/* talk_debate.c: revisions stream in columns of their own, round by round, below the answers. */
void exchange_revise(exchange *x, int pass, const char *bytes, size_t n, bool thinking);
void exchange_revised(exchange *x, int pass, const turn_answer *a);
void exchange_end_rounds(exchange *x); /* frees what the rounds needed */

/* Around what generates: keys wait, Ctrl-C ends the phase; gently: first the column in focus. */
void exchange_begin(exchange *x, bool gently);
void exchange_end(exchange *x);
void exchange_events(exchange *x, dialogue_events *events);

/* A merge begins, or that within a group; what it is called. */
void exchange_begin_merge(exchange *x, const seat *group, merge_method method);
/* A group's answer, below the answers. */
int exchange_joined(exchange *x, const turn_answer *a, error *err);
/* Joins, shows and saves. A merge that fails is told; the answers are there. */
int exchange_merge(exchange *x, const merge_request *request, error *err);
/* Ctrl-C came before it began: told, and nothing else. */
int exchange_merge_stopped(exchange *x, merge_method method, error *err);
/* Figures, where it is saved, where the answers part, what can be done now. */
int exchange_footer(exchange *x, const struct turn *turn, error *err);

#endif
