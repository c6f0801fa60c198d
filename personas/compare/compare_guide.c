/* compare_guide.c - see compare_guide.h. */
#include "compare_guide.h"

static const char FIRST[] =
    "Handbook of the Harrow Point light\n\n"
    "1. What every watch must know\n"
    "The keeper of the light is Ilse Marlow. The lamp was first lit in the year 1874. The "
    "station's "
    "boat is called Petrel and lies at the north steps. The key to the oil store hangs behind the "
    "blue door. The signal for help is three short flashes and one long one. All that follows is "
    "routine, and may be looked up; these five things must be known by heart.\n";

static const char *const PARTS[] = {"lamp",      "lens",    "clockwork",  "fog bell", "oil store",
                                    "stairs",    "gallery", "boat",       "winch",    "log book",
                                    "barometer", "cistern", "signal mast"};
static const char *const TOOLS[] = {"a dry cloth",      "the small brush", "the brass key",
                                    "a bucket of sand", "the long ladder", "fresh wicks",
                                    "the feeler gauge"};
static const char *const WHEN[] = {"before dusk", "at midnight", "at first light", "after rain",
                                   "in a gale",   "on Sundays",  "at low water"};
static const char *const WHY[] = {
    "salt creeps in where nobody looks", "what is dry today is rust tomorrow",
    "the next watch must be able to trust it", "a ship counts the seconds between two flashes",
    "small faults are cheap and large ones are not"};
enum {
    PART_COUNT = sizeof PARTS / sizeof *PARTS,
    TOOL_COUNT = sizeof TOOLS / sizeof *TOOLS,
    WHEN_COUNT = sizeof WHEN / sizeof *WHEN,
    WHY_COUNT = sizeof WHY / sizeof *WHY
};

static int add_section(buf *out, unsigned n, error *err)
{
    const char *part = PARTS[n % PART_COUNT], *next = PARTS[(n + 5) % PART_COUNT];
    unsigned turns = 2 + n * 7 % 11, minutes = 5 + n * 13 % 50, page = 20 + 3 * n;
    return buf_format(
        out, err,
        "\n%u. The %s, rule %u\n"
        "Look at the %s %s, because %s. Take %s, turn the %s %u times and wait %u minutes. If it "
        "does not settle, go on to the %s and come back. Write the reading on page %u of the log, "
        "with the hour and your name. A reading below %u is passed on to the next watch; one above "
        "%u is not, and the %s stays as it is until it has been seen twice.\n",
        n, part, 1 + n / PART_COUNT, part, WHEN[n % WHEN_COUNT], WHY[n % WHY_COUNT],
        TOOLS[n % TOOL_COUNT], part, turns, minutes, next, page, 10 + n * 3 % 40, 60 + n * 17 % 35,
        next);
}

int compare_guide(const tokenizer *t, int wanted, buf *out, error *err)
{
    size_t start = out->len;
    tokens ids = {0};
    int result = buf_text(out, FIRST, err);
    for (unsigned n = 2; !result && ids.len < (size_t)wanted; n++) {
        size_t from = out->len;
        /* Sections are encoded one by one: the sum is at least what the whole text has. */
        result = add_section(out, n, err);
        if (!result && from == start + sizeof FIRST - 1)
            from = start;
        if (!result)
            result = tokenizer_encode(t, out->v + from, out->len - from, &ids, NULL, err);
    }
    tokens_release(&ids);
    return result;
}
