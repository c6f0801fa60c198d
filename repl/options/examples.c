/* examples.c - see examples.h.
 *
 * The texts below are the only place where these files are written out: PERSONA and LESSON_FILE are
 * filled with a name for `personas new`, PERSONA with the lawyer for --help and the manual.
 */
#include "examples.h"

#include <stdbool.h>
#include <string.h>

#include "help_text.h"

enum { INDENT = 2 };

/* JSON has no comments, so every field says by example what it is for. The marks stand for the name,
 * what is told about it, and its instruction. */
static const char PERSONA[] =
    "{\n"
    "  \"persona\": 1,\n"
    "  \"name\": \"%N\",\n"
    "  \"about\": \"%A\",\n"
    "  \"instruction\": {\n"
    "    \"en\": \"%I\"\n"
    "  },\n"
    "  \"sampling\": {\"temperature\": 0.7, \"top_p\": 0.95},\n"
    "  \"router\": {\"mode\": \"auto\", \"strength\": 1.0, \"rules\": []},\n"
    "  \"lessons\": \"%N.lessons.jsonl\",\n"
    "  \"color\": \"cyan\"\n"
    "}\n";

static const char MASK[] = "{\"mask\": 1, \"model\": null, \"mode\": \"ban\",\n"
                           " \"layers\": {\"0-3\": \"5\", \"4\": \"1,6-7\"}}\n";

static const char RULE[] = "{\"when\": {\"tag\": \"```\"}, \"layers\": \"2-4\",\n"
                           " \"do\": {\"bias\": {\"3\": 1.5, \"6\": -1}}, \"for\": \"turn\"}\n";

/* One object a line. */
static const char *const LESSONS[EXAMPLE_LESSONS] = {
    "{\"question\":\"May I sublet?\",\"answer\":\"Not before you read clause 7.\"}",
    "{\"question\":\"Why sign it?\",\"answer\":\"Clause 1 binds both sides.\"}",
    "{\"question\":\"What is due?\",\"answer\":\"The rent, by clause 3, monthly.\"}",
};

/* What `personas new` writes: %N is the name, %L the first lesson above. */
static const char LESSON_FILE[] =
    "# Lessons of %N: what it would answer, one JSON object a line.\n"
    "#\n"
    "# %L\n"
    "#\n"
    "# That is an example. Put your own below, without the # in front.\n"
    "#\n"
    "# A good lesson\n"
    "#   - asks what somebody would really ask, in the words of a user;\n"
    "#   - is answered as %N would, whole, and ends when all is said:\n"
    "#     an answer that breaks off teaches to break off;\n"
    "#   - is unlike the others in subject, length and first words. What they all\n"
    "#     have in common is the voice, and that is what is learned.\n"
    "#\n"
    "# About 24 of them are enough for a voice; more make it surer. \"id\", \"form\" and\n"
    "# \"before\", a list of earlier turns, may stand there too, and need not.\n"
    "#\n"
    "# Then\n"
    "#   consilium personas check %N      is it in order? all faults at once\n"
    "#   consilium train %N               learns from it\n"
    "#   consilium personas derive %N     or makes a mask of it, untrained\n"
    "#   consilium ask QUESTION -p %N     asks %N\n";

static const example EXAMPLES[] = {
    {"persona", "lawyer.json",
     "in $XDG_CONFIG_HOME/consilium/personas; all but \"persona\" and \"name\" may be left out"},
    {"mask", "lawyer.mask.json",
     "for --mask lawyer=FILE: experts by layer; keep, ban, or bias with {\"LAYER\": {\"EXPERT\": "
     "X}}"},
    {"rule", "in lawyer.json",
     "one of the list \"rules\" in \"router\": when a token, tag, pattern, role, prompt (\"2-\": "
     "from "
     "the second on) is read and the adapter there, then force, keep, ban, bias or k"},
    {"lessons", "lawyer.lessons.jsonl",
     "beside the persona: what it would answer, one object a line; a line that begins with # is a "
     "comment"},
};

const example *examples(size_t *count)
{
    *count = sizeof EXAMPLES / sizeof *EXAMPLES;
    return EXAMPLES;
}

/* A text with its marks filled in: N, A, I and L. */
typedef struct filling {
    const char *name, *about, *instruction;
} filling;

static int fill(const char *text, const filling *with, buf *out, error *err)
{
    for (const char *at = text; *at;) {
        size_t n = strcspn(at, "%");
        if (buf_add(out, at, n, err))
            return -1;
        at += n;
        if (!*at)
            break;
        const char *word = at[1] == 'N'   ? with->name
                           : at[1] == 'A' ? with->about
                           : at[1] == 'I' ? with->instruction
                                          : LESSONS[0];
        if (buf_text(out, word, err))
            return -1;
        at += 2;
    }
    return 0;
}

/* ---- personas ---------------------------------------------------------------------------------- */

int example_about(const char *name, buf *out, error *err)
{
    return buf_format(out, err, "one line for lists: how %s answers", name);
}

int example_instruction(const char *name, buf *out, error *err)
{
    return buf_format(out, err, "You are %s. Say who speaks, what to look at, how to end.", name);
}

int example_persona(const char *name, buf *out, error *err)
{
    buf about = {0}, instruction = {0};
    int result = example_about(name, &about, err);
    if (!result)
        result = example_instruction(name, &instruction, err);
    const filling with = {name, about.v, instruction.v};
    if (!result)
        result = fill(PERSONA, &with, out, err);
    buf_release(&about);
    buf_release(&instruction);
    return result;
}

/* ---- lessons ----------------------------------------------------------------------------------- */

int example_lessons(const char *name, buf *out, error *err)
{
    return fill(LESSON_FILE, &(filling){.name = name}, out, err);
}

/* ---- all of them ------------------------------------------------------------------------------- */

int example_text(size_t i, buf *out, error *err)
{
    static const filling lawyer = {"lawyer", "names the clause that decides, then the risk",
                                   "You are a careful lawyer. Name the clause that decides."};
    if (i == 0)
        return fill(PERSONA, &lawyer, out, err);
    if (i == 1 || i == 2)
        return buf_text(out, i == 1 ? MASK : RULE, err);
    for (int k = 0; k < EXAMPLE_LESSONS; k++)
        if (buf_format(out, err, "%s\n", LESSONS[k]))
            return -1;
    return 0;
}

static int indented(buf *out, const char *text, error *err)
{
    while (*text) {
        size_t n = strcspn(text, "\n");
        if (buf_format(out, err, "%*s%.*s\n", INDENT, "", (int)n, text))
            return -1;
        text += n + (text[n] == '\n');
    }
    return 0;
}

/* A line on what it is. */
static int add_heading(size_t i, buf *out, error *err)
{
    const example *e = &EXAMPLES[i];
    buf head = {0};
    int result = buf_format(&head, err, "A %s%s, %s, %s:", i == 3 ? "file of " : "", e->kind,
                            e->file, e->about);
    if (!result)
        result = help_wrap(out, 0, head.v, err);
    buf_release(&head);
    return result;
}

int examples_help(buf *out, error *err)
{
    for (size_t i = 0; i < sizeof EXAMPLES / sizeof *EXAMPLES; i++) {
        buf text = {0};
        if (buf_text(out, "\n", err) || add_heading(i, out, err))
            return -1;
        int result = example_text(i, &text, err);
        if (!result)
            result = indented(out, text.v, err);
        buf_release(&text);
        if (result)
            return -1;
    }
    return 0;
}
