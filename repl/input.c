/* input.c - see input.h. */
#include "input.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Waits for something to read. Looks up now and then: a Ctrl-C just before a blocking read would
 * not end it. Regular files are always ready. */
static void wait_for_input(int fd, const console *con)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    while (!console_cancelled(con) && poll(&p, 1, 100) == 0)
        ;
}

static int read_all(int fd, const char *name, buf *text, const console *con, error *err)
{
    char chunk[1 << 16];
    for (;;) {
        wait_for_input(fd, con);
        if (console_cancelled(con))
            return console_interrupted(err);
        ssize_t n = read(fd, chunk, sizeof chunk);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_set(err, ERROR_RUN, "cannot read %s: %s", name, strerror(errno));
        if (n == 0)
            return 0;
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

int input_read(const char *name, buf *text, const console *con, error *err)
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
