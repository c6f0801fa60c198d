/* main.c - the process: streams, signals, one command, the exit status.
 *
 * The only file that ends the program. Every failure below arrives here as an error value whose
 * code is the kind of failure and whose text is the sentence for the user.
 *
 * In this order: streams 0 to 2 are held, the character set and the signals are set up, the
 * command line is read, then config.json, then the command runs (commands.h), then what failed
 * is told.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "../../engine/base/version.h"
#include "../../personas/roster/persona.h"
#include "../options/options.h"
#include "../options/user_config.h"
#include "../screen/charset.h"
#include "../screen/terminal.h"
#include "../system/input.h"
#include "commands.h"

/* A signal handler can be told nothing else than what has static storage. */
static terminal_signals signals;

/* The first Ctrl-C asks the engine to stop between two layers, unless the conversation wants to see it
 * first; the second does not wait, except in a conversation, which Ctrl-C never ends. */
static void on_interrupt(int signal_number)
{
    (void)signal_number;
    bool again = atomic_exchange(&signals.interrupted, true);
    if (again && !atomic_load(&signals.attended))
        _exit(ERROR_CANCELLED);
    if (again || !atomic_load(&signals.gentle))
        atomic_store(&signals.cancel, true);
}

static void handle(int signal_number, void (*handler)(int));

/* Signals that mean something only to a conversation: it looks at their flags. Elsewhere they do
 * what they always do. */
static void on_terminal_signal(int signal_number)
{
    int saved = errno;
    if (signal_number == SIGWINCH) {
        atomic_store(&signals.resized, true);
    } else if (atomic_load(&signals.attended)) {
        atomic_store(signal_number == SIGTSTP ? &signals.suspend : &signals.ended, true);
        if (signal_number != SIGTSTP)
            atomic_store(&signals.cancel, true); /* what runs must come to its end */
    } else if (signal_number == SIGTSTP) {
        (void)raise(SIGSTOP);
    } else if (atomic_load(&signals.keeps) && signal_number != SIGQUIT &&
               !atomic_exchange(&signals.ended, true)) {
        atomic_store(&signals.cancel, true); /* the second one does not wait */
    } else {
        handle(signal_number, SIG_DFL);
        (void)raise(signal_number);
    }
    errno = saved;
}

/* As terminal_close() would leave it, as far as a signal handler can. */
static void restore_keyboard(void)
{
    struct termios now;
    if (!atomic_load(&signals.attended) || tcgetattr(STDIN_FILENO, &now) != 0)
        return;
    now.c_lflag |= ICANON | ECHO;
    (void)tcsetattr(STDIN_FILENO, TCSANOW, &now);
}

/* A mapped file that is truncated while it is read ends here, on whichever threads read it: the
 * first says so, below a moving line if there is one. */
static void on_bus_error(int signal_number)
{
    static const char sentence[] =
        "\nconsilium: a model file was cut short or became unreadable while it was in use\n";
    static atomic_flag written = ATOMIC_FLAG_INIT;
    (void)signal_number;
    if (atomic_flag_test_and_set(&written))
        for (;;)
            (void)pause();
    size_t skip = isatty(STDERR_FILENO) ? 0 : 1;
    ssize_t ignored = write(STDERR_FILENO, sentence + skip, sizeof sentence - 1 - skip);
    (void)ignored;
    restore_keyboard();
    _exit(ERROR_RUN);
}

static void handle(int signal_number, void (*handler)(int))
{
    struct sigaction action = {.sa_handler = handler}; /* no SA_RESTART: a blocked read must end */
    sigemptyset(&action.sa_mask);
    (void)sigaction(signal_number, &action, NULL);
}

static void handle_terminal_signals(void)
{
    static const int numbers[] = {SIGWINCH, SIGTSTP, SIGTERM, SIGHUP, SIGQUIT};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        struct sigaction now;
        if (sigaction(numbers[i], NULL, &now) == 0 && now.sa_handler != SIG_IGN) /* as by nohup */
            handle(numbers[i], on_terminal_signal);
    }
}

/* A file opened later must never become stream 0, 1 or 2 because that one was closed. The stand-in
 * is opened the wrong way round, so that using the closed stream is still an error. */
static void hold_streams(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
            (void)open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

static int exit_status(error_code code)
{
    switch (code) {
    case ERROR_CONTEXT:
        return ERROR_USAGE;
    case ERROR_NONE:
        return ERROR_RUN;
    default:
        return (int)code;
    }
}

static int show_version(console *con, error *err)
{
    buf text = {0};
    int result =
        buf_text(&text, "consilium " CONSILIUM_VERSION "\n", err) || console_text(con, &text, err);
    buf_release(&text);
    return result ? -1 : 0;
}

/* Without a command there is nothing to do: say what there is. */
static int show_usage(console *con, error *err)
{
    buf text = {0};
    int result = options_usage(&text, err);
    if (result == 0) {
        console_say(con, &text);
        result = error_set(err, ERROR_USAGE, "%s", "");
    }
    buf_release(&text);
    return result;
}

static int run(const options *opt, console *con, error *err)
{
    if (opt->help)
        return command_help(opt, con, err);
    if (opt->version)
        return show_version(con, err);
    if (!opt->command)
        return show_usage(con, err);
    persona_settle();
    return command_function(options_command(opt))(opt, con, err);
}

/* What is wrong with the command line itself is best answered by its help. */
static void report(const options *opt, console *con, bool parsed, const error *err)
{
    if (!err->text[0])
        return; /* said already */
    console_error(con, err->text);
    if (!parsed)
        console_note(con, "Try `consilium %s%s--help`.", opt->command ? opt->command->name : "",
                     opt->command ? " " : "");
}

/* Without a command: in a terminal a conversation, and a pipe is a prompt. The same words are read
 * again behind `talk`, or `ask -`. */
static int read_command_line(options *opt, int argc, char **argv, error *err)
{
    static char talk[] = "talk", ask[] = "ask", dash[] = "-";
    bool keyboard = isatty(STDIN_FILENO) == 1;
    if (options_parse(opt, argc, argv, err))
        return -1;
    if (opt->command || opt->help || opt->version || !(keyboard || input_is_given()))
        return 0;
    char **longer = calloc((size_t)argc + 3, sizeof *longer);
    if (!longer)
        return error_memory(err, "the command line");
    int more = keyboard ? 1 : 2;
    longer[0] = argv[0];
    longer[1] = keyboard ? talk : ask;
    longer[2] = dash;
    memcpy(longer + 1 + more, argv + 1, ((size_t)argc - 1) * sizeof *longer);
    options_release(opt);
    int result = options_parse(opt, argc + more, longer, err);
    free(longer); /* the texts are argv's */
    return result;
}

int main(int argc, char **argv)
{
    hold_streams();
    bool ascii = charset_open();
    handle(SIGINT, on_interrupt);
    handle_terminal_signals();
    handle(SIGBUS, on_bus_error);
    handle(SIGPIPE, SIG_IGN);
    handle(SIGXFSZ, SIG_IGN); /* a file that may not grow is a write that fails */

    options opt;
    console con;
    user_config defaults = {0};
    error err = {0};
    bool parsed = read_command_line(&opt, argc, argv, &err) == 0;
    int result = parsed ? 0 : -1;
    if (parsed && opt.command && !opt.help && !opt.version)
        result = user_config_apply(&defaults, &opt, &err);
    console_open(&con, &signals.cancel, opt.quiet, opt.verbose, opt.no_color);
    con.ascii = ascii;
    con.input_mib = opt.max_input;
    con.may_sandbox = true;
    con.signals = &signals;
    con.moving = con.moving && !opt.plain;
    if (!result)
        result = run(&opt, &con, &err);
    console_progress_end(&con);
    if (result && con.out_closed) { /* as any filter whose reader has gone */
        handle(SIGPIPE, SIG_DFL);
        (void)raise(SIGPIPE);
    }
    if (result)
        report(&opt, &con, parsed, &err);
    options_release(&opt);
    user_config_release(&defaults);
    if (atomic_load(&signals.ended)) { /* all is saved: end as who sent it expects */
        handle(SIGTERM, SIG_DFL);
        (void)raise(SIGTERM);
    }
    exit(result ? exit_status(err.code) : EXIT_SUCCESS);
}
