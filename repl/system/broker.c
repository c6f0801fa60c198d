/* broker.c - see broker.h. Both sides: what is asked, and how it is done.
 *
 * A message is one struct request over the socket pair. A text travels beside it as the
 * descriptor of a file in memory (put_text(), get_text()), whose size is looked at before a byte
 * is read. The broker receives, checks (handle()), does (perform()) and answers (serve()). For
 * the conversation each operation is a function that sends and waits; a Ctrl-C meanwhile is
 * passed on (await()).
 */
#include "broker.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../engine/base/paths.h"
#include "../../personas/lessons/lessons.h"
#include "../../personas/roster/persona.h"
#include "../screen/terminal.h"
#include "editor.h"
#include "output_file.h"
#include "private_folder.h"
#include "training.h"

enum { PATH_MOST = 4096, TEXT_MOST = 1 << 30 };

typedef enum operation {
    WRITE,
    EDIT,
    EDIT_TEXT,
    COPY,
    PERSONA_FOLDER,
    LESSON,
    TRAIN,
    TRAIN_STATUS,
    TRAIN_STOP,
    UNTRAIN,
    OPERATIONS
} operation;

/* One message; the text's descriptor travels beside it. */
typedef struct request {
    unsigned operation;
    unsigned how;         /* WRITE: over; EDIT_TEXT: in memory; COPY: the program */
    char path[PATH_MOST]; /* or a persona's name, or words */
} request;

typedef struct reply {
    int result; /* 0 or -1 */
    training_state state;
    int status; /* of a training that has ended */
    error why;
} reply;

/* The broker's own. */
typedef struct serving {
    console *con;
    training training;
    int passed; /* a descriptor that goes with the reply, or -1 */
} serving;

struct broker {
    console *con;
    int fd;
    pid_t pid;
    char *place;
};

/* ---- messages ---------------------------------------------------------------------------------- */

typedef union control {
    struct cmsghdr head; /* its alignment */
    char bytes[CMSG_SPACE(sizeof(int))];
} control;

static ssize_t send_message(int fd, void *bytes, size_t n, int passed)
{
    control c = {0};
    struct iovec part = {bytes, n};
    struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1};
    if (passed >= 0) {
        m.msg_control = c.bytes;
        m.msg_controllen = sizeof c.bytes;
        struct cmsghdr *h = CMSG_FIRSTHDR(&m);
        *h = (struct cmsghdr){
            .cmsg_len = CMSG_LEN(sizeof passed), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
        memcpy(CMSG_DATA(h), &passed, sizeof passed);
    }
    ssize_t done;
    while ((done = sendmsg(fd, &m, MSG_NOSIGNAL)) < 0 && errno == EINTR)
        ;
    return done;
}

/* There is room for one descriptor: the kernel passes no further ones on. */
static ssize_t receive_message(int fd, void *bytes, size_t n, int *passed)
{
    control c = {0};
    struct iovec part = {bytes, n};
    struct msghdr m = {.msg_iov = &part,
                       .msg_iovlen = 1,
                       .msg_control = c.bytes,
                       .msg_controllen = CMSG_LEN(sizeof *passed)};
    ssize_t done = recvmsg(fd, &m, MSG_CMSG_CLOEXEC);
    const struct cmsghdr *h = done > 0 ? CMSG_FIRSTHDR(&m) : NULL;
    *passed = -1;
    if (h && h->cmsg_level == SOL_SOCKET && h->cmsg_type == SCM_RIGHTS &&
        h->cmsg_len == CMSG_LEN(sizeof *passed))
        memcpy(passed, CMSG_DATA(h), sizeof *passed);
    return done;
}

/* ---- texts ------------------------------------------------------------------------------------- */

static int put_text(int fd, const char *text, size_t n, error *err)
{
    if (n > TEXT_MOST)
        return error_set(err, ERROR_RUN, "%zu bytes are too many at once", n);
    int failed = ftruncate(fd, 0);
    for (size_t at = 0; at < n && !failed;) {
        ssize_t done = pwrite(fd, text + at, n - at, (off_t)at);
        if (done < 0 && errno == EINTR)
            continue;
        failed = done <= 0;
        at += failed ? 0 : (size_t)done;
    }
    return failed ? error_set(err, ERROR_RUN, "no memory for the text: %s", strerror(errno)) : 0;
}

static int get_text(int fd, buf *out, error *err)
{
    struct stat st;
    char chunk[1 << 14];
    ssize_t n = 1;
    buf_clear(out);
    if (fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_size > TEXT_MOST)
        return error_set(err, ERROR_RUN, "this is no text that is written");
    while (out->len < (size_t)st.st_size && n) {
        n = pread(fd, chunk, sizeof chunk, (off_t)out->len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_set(err, ERROR_RUN, "the text cannot be read: %s", strerror(errno));
        if (buf_add(out, chunk, (size_t)n, err))
            return -1;
    }
    return 0;
}

/* ---- the broker's side ------------------------------------------------------------------------- */

static int edit_text(int fd, bool in_memory, buf *text, error *err)
{
    return editor_text(text, in_memory, err) || put_text(fd, text->v, text->len, err) ? -1 : 0;
}

static int make_persona_folder(const char *name, error *err)
{
    char *path = NULL;
    int result = persona_name_ok(name) ? persona_new_path(name, &path, err)
                                       : error_set(err, ERROR_USAGE, "this is no persona's name");
    free(path);
    return result;
}

/* Behind the lessons of the user's own personas, and nothing else. */
static int add_lesson(const char *path, const buf *line, error *err)
{
    static const char END[] = ".jsonl";
    char *place = NULL;
    const char *slash = strrchr(path, '/');
    if (paths_own(PATHS_CONFIG, "personas", &place, err))
        return -1;
    size_t n = slash ? strlen(slash) : 0;
    bool own = place && slash && strlen(place) == (size_t)(slash - path) &&
               strncmp(place, path, strlen(place)) == 0 && n > sizeof END &&
               strcmp(slash + n - (sizeof END - 1), END) == 0;
    free(place);
    return own ? lessons_append(path, line->v, line->len, err)
               : error_set(err, ERROR_RUN, "%s: no lessons of your own", path);
}

/* "NAME\nFINGERPRINT" */
static int untrain(char *words, error *err)
{
    char *end = strchr(words, '\n');
    if (end)
        *end++ = '\0';
    return end ? persona_untrain(words, end, err) : error_set(err, ERROR_RUN, "this is no request");
}

static int perform(serving *s, request *r, int fd, buf *text, error *err)
{
    switch ((operation)r->operation) {
    case WRITE:
        return output_file_put(s->con, r->path, r->how != 0, text->v, text->len, err);
    case EDIT:
        return editor_file(r->path, err);
    case EDIT_TEXT:
        return edit_text(fd, r->how != 0, text, err);
    case COPY:
        return copy_program_run((copy_program)r->how, text->v, text->len);
    case PERSONA_FOLDER:
        return make_persona_folder(r->path, err);
    case LESSON:
        return add_lesson(r->path, text, err);
    case TRAIN:
        s->passed = training_start(&s->training, r->path, err);
        return s->passed < 0 ? -1 : 0;
    case TRAIN_STATUS:
        return 0;
    case TRAIN_STOP:
        training_interrupt(&s->training);
        return 0;
    case UNTRAIN:
        return untrain(r->path, err);
    case OPERATIONS:
        break;
    }
    return -1;
}

/* Nothing of a request is believed. */
static int handle(serving *s, request *r, ssize_t n, int fd, error *err)
{
    bool whole =
        n == (ssize_t)sizeof *r && r->operation < OPERATIONS && memchr(r->path, '\0', PATH_MOST);
    bool brings = whole && (r->operation == WRITE || r->operation == EDIT_TEXT ||
                            r->operation == COPY || r->operation == LESSON);
    if (!whole || brings != (fd >= 0) || (r->operation == COPY && r->how >= COPY_PROGRAMS))
        return error_set(err, ERROR_RUN, "this is no request");
    buf text = {0};
    int result = brings ? get_text(fd, &text, err) : 0;
    result = result || perform(s, r, fd, &text, err) ? -1 : 0;
    buf_release(&text);
    return result;
}

/* Ctrl-C of an earlier request is not meant for this one. */
static void forget_interrupts(const console *con)
{
    if (!con->signals)
        return;
    atomic_store(&con->signals->interrupted, false);
    atomic_store(&con->signals->cancel, false);
}

static void serve(int fd, serving *s)
{
    static request r; /* the process is its own, and it is 4 KiB */
    for (;;) {
        int text;
        ssize_t n = receive_message(fd, &r, sizeof r, &text);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return;
        reply answer = {0};
        s->passed = -1;
        forget_interrupts(s->con);
        answer.result = handle(s, &r, n, text, &answer.why);
        answer.state = training_runs(&s->training) ? TRAINING_RUNS
                       : s->training.started       ? TRAINING_ENDED
                                                   : TRAINING_NONE;
        answer.status = s->training.status;
        if (text >= 0)
            (void)close(text);
        ssize_t sent = send_message(fd, &answer, sizeof answer, s->passed);
        if (s->passed >= 0)
            (void)close(s->passed);
        if (sent < 0)
            return;
    }
}

/* Signals set flags, as in the conversation; the end of that one interrupts what waits. Nobody may look
 * into this process, where a kernel without Landlock would let the conversation do so. */
_Noreturn static void be_broker(int fd, console *con, bool with_privileges, char *place)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
    (void)prctl(PR_SET_DUMPABLE, 0);
    if (!with_privileges)
        (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    (void)sigaction(SIGQUIT, &ignore, NULL);
    if (con->signals)
        atomic_store(&con->signals->attended, true);
    serving s = {.con = con};
    serve(fd, &s);
    training_end(&s.training);
    private_folder_remove(place);
    _exit(0);
}

/* ---- the conversation's side ------------------------------------------------------------------- */

broker *broker_start(console *con, bool with_privileges, error *err)
{
    int ends[2];
    broker *b = calloc(1, sizeof *b);
    if (!b) {
        (void)error_memory(err, "the broker");
        return NULL;
    }
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends)) {
        (void)error_set(err, ERROR_RUN, "no socket pair can be made: %s", strerror(errno));
        free(b);
        return NULL;
    }
    char *place = private_folder_make(true, NULL);
    *b = (broker){.con = con, .fd = ends[0], .pid = fork(), .place = place};
    if (b->pid == 0) {
        (void)close(ends[0]);
        be_broker(ends[1], con, with_privileges, place);
    }
    (void)close(ends[1]);
    if (b->pid > 0)
        return b;
    (void)error_set(err, ERROR_RUN, "no second process can be made: %s", strerror(errno));
    (void)close(b->fd);
    private_folder_remove(place);
    free(b);
    return NULL;
}

void broker_close(broker *b)
{
    if (!b)
        return;
    (void)close(b->fd);
    while (waitpid(b->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    free(b->place);
    free(b);
}

const char *broker_private_folder(const broker *b)
{
    return b->place;
}

/* A signal that came to this process alone is passed on: the broker's wait is ours. */
static int await(broker *b, reply *answer, int *passed)
{
    ssize_t n;
    while ((n = receive_message(b->fd, answer, sizeof *answer, passed)) < 0 && errno == EINTR)
        if (console_cancelled(b->con))
            (void)kill(b->pid, SIGINT);
    return n == (ssize_t)sizeof *answer ? 0 : -1;
}

/* *passed (may be NULL) gets the descriptor that came with the reply, or -1. */
static int ask_for(broker *b, request *r, const char *path, int fd, reply *answer, int *passed,
                   error *err)
{
    int came = -1;
    *answer = (reply){0};
    if (strlen(path) >= PATH_MOST)
        return error_set(err, ERROR_USAGE, "%.64s...: %s", path, strerror(ENAMETOOLONG));
    strcpy(r->path, path);
    if (send_message(b->fd, r, sizeof *r, fd) < 0 || await(b, answer, &came))
        return error_set(err, ERROR_RUN,
                         "the process that writes files and runs the editor has ended; "
                         "leave and come back (--resume)");
    if (passed)
        *passed = came;
    else if (came >= 0)
        (void)close(came);
    if (answer->result && err)
        *err = answer->why;
    return answer->result ? -1 : 0;
}

static int ask(broker *b, operation what, unsigned how, const char *path, int fd, error *err)
{
    request r = {.operation = what, .how = how};
    reply answer;
    return ask_for(b, &r, path, fd, &answer, NULL, err);
}

/* The text is there when it is asked; with `back` it holds afterwards what was made of it. */
static int ask_with(broker *b, operation what, unsigned how, const char *path, const char *text,
                    size_t n, buf *back, error *err)
{
    int fd = memfd_create("text", MFD_CLOEXEC);
    if (fd < 0)
        return error_set(err, ERROR_RUN, "no memory for the text: %s", strerror(errno));
    int result = put_text(fd, text, n, err) || ask(b, what, how, path, fd, err) ? -1 : 0;
    if (!result && back)
        result = get_text(fd, back, err);
    (void)close(fd);
    return result;
}

int broker_write(broker *b, const char *path, bool over, const char *text, size_t n, error *err)
{
    return ask_with(b, WRITE, over, path, text, n, NULL, err);
}

int broker_edit(broker *b, const char *path, error *err)
{
    editor_signals ours;
    editor_signals_ignore(&ours);
    int result = ask(b, EDIT, 0, path, -1, err);
    editor_signals_restore(&ours);
    return result;
}

int broker_edit_text(broker *b, buf *text, bool in_memory, error *err)
{
    editor_signals ours;
    editor_signals_ignore(&ours);
    int result = ask_with(b, EDIT_TEXT, in_memory, "", text->v, text->len, text, err);
    editor_signals_restore(&ours);
    return result;
}

bool broker_copy(broker *b, copy_program program, const char *text, size_t n)
{
    return ask_with(b, COPY, program, "", text, n, NULL, NULL) == 0;
}

int broker_persona_folder(broker *b, const char *name, error *err)
{
    return ask(b, PERSONA_FOLDER, 0, name, -1, err);
}

int broker_lesson(broker *b, const char *path, const char *line, size_t n, error *err)
{
    return ask_with(b, LESSON, 0, path, line, n, NULL, err);
}

int broker_train(broker *b, const char *words, int *fd, error *err)
{
    request r = {.operation = TRAIN};
    reply answer;
    int result = ask_for(b, &r, words, -1, &answer, fd, err);
    return result || *fd >= 0 ? result : error_set(err, ERROR_RUN, "training says nothing");
}

int broker_training(broker *b, training_state *state, int *status, error *err)
{
    request r = {.operation = TRAIN_STATUS};
    reply answer;
    int result = ask_for(b, &r, "", -1, &answer, NULL, err);
    *state = result ? TRAINING_NONE : answer.state;
    *status = answer.status;
    return result;
}

int broker_train_stop(broker *b, error *err)
{
    return ask(b, TRAIN_STOP, 0, "", -1, err);
}

int broker_untrain(broker *b, const char *name, const char *fingerprint, error *err)
{
    char words[160];
    (void)snprintf(words, sizeof words, "%.64s\n%.64s", name, fingerprint);
    return ask(b, UNTRAIN, 0, words, -1, err);
}
