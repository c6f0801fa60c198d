/* command_transcripts_manage.c - `transcripts rename` and `transcripts delete`.
 *
 * A title is one more record at the file's end, so renaming opens the transcript as a
 * conversation does, lock and all, after reading it for the number of its last turn.
 * Deleting asks first and names what goes; without a terminal to ask at, --yes must have
 * said it. A transcript that cannot be read can be deleted all the same: the question then
 * holds the reason. Both end with a refresh of the index, from which the lists are read;
 * when that fails it is made anew later, so it is no error.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "../../transcripts/export/export_text.h"
#include "../../transcripts/transcript.h"
#include "../chat/transcript_lookup.h"
#include "commands.h"

/* ---- rename ------------------------------------------------------------------------------------ */

static int join_words(const options *opt, buf *out, error *err)
{
    for (size_t i = 1; i < opt->word_count; i++)
        if ((i > 1 && buf_text(out, " ", err)) || buf_text(out, opt->words[i], err))
            return -1;
    return 0;
}

static int rename_session(const char *place, const char *id, const char *title, error *err)
{
    char *path = transcript_file(place, id, err);
    history *h = path ? history_load(path, err) : NULL;
    transcript *t = h ? transcript_open(place, id, NULL, err) : NULL;
    int result = t ? transcript_rename(t, h->last_turn, title, err) : -1;
    transcript_close(t);
    history_close(h);
    free(path);
    return result;
}

/* The lists read it from the index. */
static void refresh_index(console *con)
{
    error why = {0};
    search *s = search_lookup(con, &why);
    if (!s)
        console_note(con, "The index of transcripts will be made anew: %s", why.text);
    search_close(s);
}

int command_transcripts_rename(const options *opt, console *con, error *err)
{
    char *place = NULL, *id = NULL;
    buf words = {0}, title = {0};
    int result = join_words(opt, &words, err);
    if (!result)
        result = transcript_title(words.v ? words.v : "", &title, err);
    if (!result)
        result = transcript_folder(&place, err);
    if (!result)
        result = transcript_find(place, opt->words[0], &id, err);
    if (!result)
        result = rename_session(place, id, title.v ? title.v : "", err);
    if (!result) {
        refresh_index(con);
        console_note(con, title.len ? "%s is called \"%s\"." : "%s is called by its first words.%s",
                     id, title.v ? title.v : "");
    }
    buf_release(&words);
    buf_release(&title);
    free(place);
    free(id);
    return result;
}

/* ---- delete ------------------------------------------------------------------------------------ */

static int add_title(const history *h, const console *con, buf *out, error *err)
{
    buf title = {0};
    int result = history_title(h, &title, err) || buf_text(out, "\"", err) ? -1 : 0;
    if (!result)
        result = console_quote(con, out, title.v ? title.v : "", err);
    buf_release(&title);
    if (result)
        return -1;
    return buf_format(out, err, "\", %d turn%s", h->turn_count, h->turn_count == 1 ? "" : "s");
}

/* What is to go, for the question: its title and how many turns; or why it cannot be read. */
static int describe(const char *place, const char *id, const console *con, buf *out, error *err)
{
    error why = {0};
    char *path = transcript_file(place, id, err);
    history *h = path ? history_load(path, &why) : NULL;
    int result = h      ? add_title(h, con, out, err)
                 : path ? console_quote(con, out, why.text, err)
                        : -1;
    history_close(h);
    free(path);
    return result;
}

/* The first letter of the line that is typed; 0 at the end of file, -1 when Ctrl-C ended it. */
static int read_letter(const console *con)
{
    char first = 0, c = 0;
    ssize_t n;
    while ((n = read(STDIN_FILENO, &c, 1)) != 0 && c != '\n') {
        if (n < 0 && errno != EINTR)
            break;
        if (console_cancelled(con))
            return -1;
        if (n > 0 && !first && c != ' ')
            first = c;
        c = n < 0 ? 0 : c;
    }
    return (unsigned char)first;
}

/* 1 = yes, 0 = no. */
static int ask(const char *id, const buf *what, console *con, error *err)
{
    buf question = {0};
    if (isatty(STDIN_FILENO) != 1 || isatty(STDERR_FILENO) != 1)
        return error_set(err, ERROR_USAGE, "%s would be deleted for good (%s); --yes does it", id,
                         what->v);
    int result = buf_format(&question, err, "delete %s for good (%s)? [y/N] ", id, what->v);
    if (!result)
        console_say(con, &question);
    buf_release(&question);
    int letter = result ? -1 : read_letter(con);
    if (result)
        return -1;
    return letter < 0 ? console_interrupted(err) : letter == 'y' || letter == 'Y';
}

int command_transcripts_delete(const options *opt, console *con, error *err)
{
    char *place = NULL, *id = NULL;
    buf what = {0};
    int result =
        transcript_folder(&place, err) || transcript_find(place, opt->words[0], &id, err) ? -1 : 0;
    int wanted = result ? -1 : 1;
    if (!result && !opt->yes && !opt->force)
        wanted = describe(place, id, con, &what, err) ? -1 : ask(id, &what, con, err);
    result = wanted < 0 ? -1 : 0;
    if (wanted == 1)
        result = transcript_delete(place, id, err);
    if (!result && wanted == 1) {
        refresh_index(con);
        console_note(con, "%s is deleted.", id);
    } else if (!result) {
        console_note(con, "%s is left as it is.", id);
    }
    buf_release(&what);
    free(place);
    free(id);
    return result;
}
