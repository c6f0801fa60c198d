/* tool_view.c - plays a scripted exchange through the view, on the terminal it is started in.
 *
 * usage: tool_view SCRIPT        one step a line, its words parted by tabs; \n, \t, \\ and \xHH in texts:
 *   plain | ascii | layout cols|stack|focus|auto [NAME]           before the first column
 *   column NAME ACTS_BY COLOR EXPERTS                             "-" = none
 *   picture ROWS EXPERTS         a diagonal below each column, a step further with each of its tokens
 *   prefill DONE TOTAL | token I TEXT | think I | wait MS | await FILE
 *   answer I STOP TOKENS SPEED SECONDS FAILURE | settle
 *   progress METHOD TOKENS | merge_token TEXT | merge LINE TEXT | footer LEFT RIGHT
 * `await` makes FILE.here and ticks until FILE exists. The bytes written are not counted here: a test sees them all.
 */
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../repl/screen/view.h"

enum { WORDS = 8, COLUMNS = 16 };

static terminal_signals flags;

static void on_signal(int number)
{
    atomic_store(number == SIGWINCH  ? &flags.resized
                 : number == SIGTSTP ? &flags.suspend
                 : number == SIGINT  ? &flags.interrupted
                                     : &flags.ended,
                 true);
}

typedef struct player {
    console con;
    terminal *t;
    view *v;
    bool plain, ascii;
    view_layout layout;
    char focus[80];
    view_column columns[COLUMNS];
    int count;
    view_picture pictures[COLUMNS];
    float *cells[COLUMNS];
    int rows, experts, tokens[COLUMNS];
    error err;
} player;

static void nap(int ms)
{
    struct timespec t = {ms / 1000, ms % 1000 * 1000000L};
    (void)nanosleep(&t, NULL);
}

/* Resolves the escapes of a text in place; returns its length. */
static size_t unescape(char *text)
{
    char *out = text;
    for (char *at = text; *at; at++) {
        if (*at != '\\') {
            *out++ = *at;
            continue;
        }
        at++;
        if (*at == 'x') {
            char digits[3] = {at[1], at[2], 0};
            *out++ = (char)strtol(digits, NULL, 16);
            at += 2;
        } else {
            *out++ = *at == 'n' ? '\n' : *at == 't' ? '\t' : *at;
        }
    }
    *out = '\0';
    return (size_t)(out - text);
}

static const char *keep(const char *word)
{
    return strcmp(word, "-") == 0 ? NULL : strdup(word);
}

static void draw(player *p, int i)
{
    for (int r = 0; r < p->rows; r++)
        for (int e = 0; e < p->experts; e++)
            p->cells[i][r * p->experts + e] =
                e == (i + r + p->tokens[i]) % p->experts ? 1.0F : 0.0F;
}

static void add_pictures(player *p)
{
    for (int i = 0; i < p->count && p->rows; i++) {
        p->cells[i] = calloc((size_t)(p->rows * p->experts), sizeof(float));
        p->pictures[i].map = (heatmap){.v = p->cells[i],
                                       .rows = p->rows,
                                       .columns = p->experts,
                                       .most = 1,
                                       .color = {10, 200, 30}};
        (void)buf_format(&p->pictures[i].caption, NULL, "%d layers", p->rows);
        draw(p, i);
    }
    if (p->rows)
        view_pictures(p->v, p->pictures);
}

static void begin(player *p)
{
    if (p->v)
        return;
    p->con.ascii = p->con.ascii || p->ascii;
    p->t = terminal_open(&p->con, &flags, p->plain, &p->err);
    terminal_echo_off(p->t);
    p->v = view_open(p->t, p->layout, p->focus, p->columns, p->count, &p->err);
    add_pictures(p);
}

static void setting(player *p, char **w)
{
    if (strcmp(w[0], "plain") == 0)
        p->plain = true;
    else if (strcmp(w[0], "ascii") == 0)
        p->ascii = true;
    else if (strcmp(w[0], "picture") == 0) {
        p->rows = atoi(w[1]);
        p->experts = atoi(w[2]);
    } else if (strcmp(w[0], "layout") == 0) {
        p->layout = strcmp(w[1], "cols") == 0    ? VIEW_COLS
                    : strcmp(w[1], "stack") == 0 ? VIEW_STACK
                    : strcmp(w[1], "focus") == 0 ? VIEW_FOCUS
                                                 : VIEW_AUTO;
        snprintf(p->focus, sizeof p->focus, "%s", w[2]);
    } else {
        p->columns[p->count++] = (view_column){keep(w[1]), keep(w[2]), keep(w[3]), keep(w[4])};
    }
}

static void wait_for(player *p, char **w)
{
    char here[256];
    snprintf(here, sizeof here, "%s.here", w[1]);
    FILE *sign = w[0][0] == 'a' ? fopen(here, "w") : NULL;
    if (sign)
        fclose(sign);
    int left = strcmp(w[0], "await") == 0 ? 60000 : atoi(w[1]);
    for (; left > 0 && !(w[0][0] == 'a' && access(w[1], F_OK) == 0); left -= 10) {
        nap(left < 10 ? left : 10);
        view_tick(p->v);
    }
}

static int step(player *p, char **w)
{
    size_t n = unescape(w[2]);
    if (strcmp(w[0], "prefill") == 0)
        view_prefill(p->v, atoi(w[1]), atoi(w[2]));
    else if (strcmp(w[0], "token") == 0) {
        p->tokens[atoi(w[1])]++;
        if (p->rows)
            draw(p, atoi(w[1]));
        view_token(p->v, atoi(w[1]), w[2], n, false);
    } else if (strcmp(w[0], "think") == 0)
        view_token(p->v, atoi(w[1]), "", 0, true);
    else if (strcmp(w[0], "wait") == 0 || strcmp(w[0], "await") == 0)
        wait_for(p, w);
    else if (strcmp(w[0], "answer") == 0)
        view_answer(p->v, atoi(w[1]), w[2], *w[6] ? w[6] : NULL, atoi(w[3]), atof(w[4]),
                    atof(w[5]));
    else if (strcmp(w[0], "settle") == 0)
        return view_settle(p->v, &p->err);
    else if (strcmp(w[0], "progress") == 0)
        view_merge_progress(p->v, w[1], atoi(w[2]));
    else if (strcmp(w[0], "merge_token") == 0)
        view_merge_token(p->v, w[1], unescape(w[1]));
    else if (strcmp(w[0], "merge") == 0)
        return view_merge(p->v, w[1], n ? w[2] : NULL, n, &p->err);
    else if (strcmp(w[0], "footer") == 0)
        return view_footer(p->v, w[1], w[2], &p->err);
    return 0;
}

static int play_line(player *p, char *line)
{
    static char none[] = "";
    char *words[WORDS] = {none, none, none, none, none, none, none, none}, *at = line;
    line[strcspn(line, "\n")] = '\0';
    for (int i = 0; i < WORDS && at; i++)
        words[i] = strsep(&at, "\t");
    if (strstr(" plain ascii layout picture column ", words[0])) {
        setting(p, words);
        return 0;
    }
    begin(p);
    return p->v ? step(p, words) : -1;
}

int main(int argc, char **argv)
{
    static const int numbers[] = {SIGWINCH, SIGTSTP, SIGINT, SIGTERM, SIGHUP};
    static player p;
    FILE *script = argc > 1 ? fopen(argv[1], "r") : NULL;
    if (!script)
        return 2;
    (void)setlocale(LC_CTYPE, "");
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        (void)sigaction(numbers[i], &(struct sigaction){.sa_handler = on_signal}, NULL);
    console_open(&p.con, &flags.interrupted, false, false, false);
    static char line[1 << 20];
    int result = 0;
    while (!result && fgets(line, sizeof line, script))
        result = play_line(&p, line);
    view_close(p.v);
    terminal_close(p.t);
    for (int i = 0; i < p.count; i++) {
        free((void *)p.columns[i].name);
        free((void *)p.columns[i].acts_by);
        free((void *)p.columns[i].color);
        free((void *)p.columns[i].experts);
        free(p.cells[i]);
        buf_release(&p.pictures[i].caption);
    }
    fclose(script);
    if (result)
        fprintf(stderr, "%s\n", p.err.text);
    return result ? 1 : 0;
}
