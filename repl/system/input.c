/* input.c - see input.h. */
#include "input.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LOOK_MS = 100 };
static const double PATIENCE = 1; /* seconds */

/* Waits for something to read. Looks up now and then: a Ctrl-C just before a blocking read would
 * not end it. Regular files are always ready. *noted: that standard input keeps us waiting. */
static void wait_for_input(int fd, bool *noted, console *con)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    double start = console_seconds();
    while (!console_cancelled(con) && poll(&p, 1, LOOK_MS) == 0) {
        if (*noted || fd != STDIN_FILENO || console_seconds() - start < PATIENCE)
            continue;
        *noted = true;
        console_note(con, "waiting for standard input to end (Ctrl-D ends it in a terminal; "
                          "`</dev/null` goes without)");
    }
}

static int too_much(const char *name, int mib, error *err)
{
    return error_set(err, ERROR_USAGE,
                     "%s holds more than %d MiB, the most that is read; --max-input allows more",
                     name, mib);
}

static int read_all(int fd, const char *name, buf *text, console *con, error *err)
{
    char chunk[1 << 16];
    struct stat st;
    int mib = con->input_mib ? con->input_mib : INPUT_MIB;
    size_t most = (size_t)mib << 20, have = 0;
    bool noted = false;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0 && (size_t)st.st_size > most)
        return too_much(name, mib, err);
    for (;;) {
        wait_for_input(fd, &noted, con);
        if (console_cancelled(con))
            return console_interrupted(err);
        ssize_t n = read(fd, chunk, sizeof chunk);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_set(err, ERROR_RUN, "cannot read %s: %s", name, strerror(errno));
        if (n == 0)
            return 0;
        have += (size_t)n;
        if (have > most)
            return too_much(name, mib, err);
        if (buf_add(text, chunk, (size_t)n, err))
            return -1;
    }
}

bool input_is_given(void)
{
    struct stat st;
    return fstat(STDIN_FILENO, &st) == 0 &&
           (S_ISFIFO(st.st_mode) || S_ISREG(st.st_mode) || S_ISSOCK(st.st_mode));
}

int input_read(const char *name, buf *text, console *con, error *err)
{
    if (strcmp(name, "-") == 0)
        return read_all(STDIN_FILENO, "standard input", text, con, err);
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == EINTR && console_cancelled(con))
        return console_interrupted(err);
    if (fd < 0)
        return error_set(err, ERROR_RUN, "cannot read %s: %s", name, strerror(errno));
    int result = read_all(fd, name, text, con, err);
    (void)close(fd);
    return result;
}

int input_encode(const tokenizer *t, const char *name, const buf *text, console *con, tokens *ids,
                 error *err)
{
    size_t dropped = 0;
    if (tokenizer_encode(t, text->v ? text->v : "", text->len, ids, &dropped, err))
        return name ? error_prefix(err, "%s: ", name) : -1;
    if (dropped)
        console_note(con, "%zu byte%s without a token %s dropped, as the reference does", dropped,
                     dropped == 1 ? "" : "s", dropped == 1 ? "was" : "were");
    return 0;
}
