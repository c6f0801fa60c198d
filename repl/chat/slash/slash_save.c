/* slash_save.c - /save: the conversation as a document, or a code block as a file.
 *
 * A document is made from the record, as `consilium transcripts export` makes it; a conversation that
 * is not saved is recorded for the moment, in memory (private_folder.h). A file that is there is
 * not written over unless the name ends in '!'.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../../engine/base/folder.h"
#include "../../../engine/base/markdown_blocks.h"
#include "../../../engine/base/paths.h"
#include "../../screen/human.h"
#include "../../system/private_folder.h"
#include "../../system/save.h"
#include "slash_commands.h"

/* ---- writing ----------------------------------------------------------------------------------- */

static int is_there(const char *path, error *err)
{
    return error_set(err, ERROR_USAGE, "%s is there already; /save %s! writes over it", path, path);
}

static int write_new(talk *t, const char *path, bool over, const char *text, size_t n, error *err)
{
    char size[HUMAN_TEXT];
    if (!over && access(path, F_OK) == 0)
        return is_there(path, err);
    if (save_put(t->broker, t->con, path, over, text, n, err))
        return -1;
    return talk_say(t, "wrote %s, %s", path, human_bytes(size, n));
}

/* ---- a document -------------------------------------------------------------------------------- */

static int export_record(talk *t, const char *record, export_format format, const char *path,
                         bool over, error *err)
{
    struct stat there;
    if (!over && stat(path, &there) == 0 && S_ISREG(there.st_mode))
        return is_there(path, err);
    history *h = history_load(record, err);
    int result = h ? save_export(h, format, path, over, t->broker, t->con, err) : -1;
    history_close(h);
    return result ? -1 : talk_say(t, "wrote %s", path);
}

static char *no_place(error *err)
{
    (void)error_set(err, ERROR_RUN, "there was no place for a private folder: set TMPDIR");
    return NULL;
}

/* The record of a conversation that keeps none, in the private folder. */
static int export_unsaved(talk *t, export_format format, const char *path, bool over, error *err)
{
    const char *place = broker_private_folder(t->broker);
    char *record = place ? string_format(err, "%s/conversation.jsonl", place) : no_place(err);
    int result = record ? conversation_copy(t->conversation, place, "conversation", err) : -1;
    if (!result)
        result = export_record(t, record, format, path, over, err);
    free(record);
    if (place)
        private_folder_clear(place);
    return result;
}

static int save_document(talk *t, const char *path, bool over, export_format format, error *err)
{
    struct turn *turn;
    if (talk_turn(t, &turn, err))
        return -1;
    const char *id = t->unsaved ? NULL : conversation_id(t->conversation);
    if (!id)
        return export_unsaved(t, format, path, over, err);
    char *record = string_format(err, "%s/%s.jsonl", t->folder, id);
    int result = record ? export_record(t, record, format, path, over, err) : -1;
    free(record);
    return result;
}

/* ---- a code block ------------------------------------------------------------------------------ */

/* "NAME" or "NAME.2". */
static int block_named(talk *t, const char *wanted, markdown_block *code, error *err)
{
    char word[80] = "";
    const char *name, *text;
    size_t n;
    int number = 1;
    if (strlen(wanted) < sizeof word)
        strcpy(word, wanted);
    char *point = strrchr(word, '.');
    if (point && point[1] && strspn(point + 1, "0123456789") == strlen(point + 1)) {
        number = atoi(point + 1);
        *point = '\0';
    }
    if (slash_text(t, word, &name, &text, &n, err))
        return -1;
    if (markdown_code_block(text, n, number, code))
        return 0;
    return error_set(err, ERROR_USAGE, "%.64s has no code block %d", word, number);
}

/* The answer that bears the file's name, else the first that holds code. */
static int block_for_file(talk *t, const char *path, markdown_block *code, error *err)
{
    const char *base = paths_name(path);
    char stem[80] = "";
    struct turn *turn;
    if (talk_turn(t, &turn, err))
        return -1;
    if (strcspn(base, ".") < sizeof stem)
        memcpy(stem, base, strcspn(base, "."));
    if (*stem && turn_answer_of(turn, stem))
        return block_named(t, stem, code, err);
    for (int i = 0; i < turn->answer_count; i++) {
        const turn_answer *k = &turn->answers[i];
        if (turn_is_current(turn, k) && markdown_code_block(k->text.v, k->text.len, 1, code))
            return 0;
    }
    return error_set(err, ERROR_USAGE,
                     "no answer holds a code block; documents end in .md, .html or .json");
}

static int save_code(talk *t, const char *path, bool over, const char *wanted, error *err)
{
    markdown_block found;
    buf code = {0};
    if (wanted ? block_named(t, wanted, &found, err) : block_for_file(t, path, &found, err))
        return -1;
    int result = markdown_code(&found, &code, err);
    if (!result)
        result = write_new(t, path, over, code.v ? code.v : "", code.len, err);
    buf_release(&code);
    return result;
}

int slash_save(talk *t, const char *rest, char *const *words, int count, error *err)
{
    export_format format;
    (void)rest;
    if (!count || count > 2)
        return error_set(err, ERROR_USAGE,
                         "/save needs one file, and may be told whose code: "
                         "/save fib.py coder.2");
    size_t n = strlen(words[0]);
    bool over = n > 1 && words[0][n - 1] == '!';
    const char *path = talk_path(t, words[0], n - over, err);
    if (!path)
        return -1;
    if (count == 1 && save_format(path, &format))
        return save_document(t, path, over, format, err);
    return save_code(t, path, over, count == 2 ? words[1] : NULL, err);
}
