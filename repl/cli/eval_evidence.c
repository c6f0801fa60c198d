/* eval_evidence.c - `consilium eval SET --learn`: what was found is kept for the model, and told. */
#include <stdlib.h>
#include <string.h>

#include "../../engine/base/atomic_file.h"
#include "../../personas/eval/eval_learn.h"
#include "eval_report.h"

/* What auto is from now on, and why. */
static void tell(const evidence_table *t, console *con)
{
    char words[EVIDENCE_WORDS_MOST];
    int arm = evidence_choose(t);
    for (int a = 0; a < t->arm_count; a++)
        if (evidence_loses(t, a))
            console_note(con, "%s lost right answers: it is not offered", t->arms[a].name);
    if (arm < 0) {
        console_note(con, "auto: none, as %s", evidence_refusal(t, words));
        return;
    }
    evidence_part dev = evidence_known(t, arm);
    console_note(con, "auto: %s, right on %d of %d development questions; on the others %s",
                 t->arms[arm].name, dev.right[arm], dev.questions, evidence_figure(t, arm, words));
}

static int save(engine *e, const evidence_table *t, console *con, error *err)
{
    buf text = {0};
    char *path = NULL;
    int result = model_file_own_path(e, "evidence", &path, err) ||
                 evidence_table_write(t, &text, err) ||
                 atomic_file_put(path, text.v, text.len, err);
    if (!result)
        console_note(con, "wrote %s", path);
    buf_release(&text);
    free(path);
    return result ? -1 : 0;
}

int eval_report_learn(const eval_report *r, engine *e, console *con, error *err)
{
    evidence_table *found = NULL, *whole = NULL;
    int result =
        eval_learn(r->run, r->set, &found, err) || evidence_table_find(e, &whole, NULL, err);
    if (!result && !whole) {
        whole = found;
        found = NULL;
    }
    int dropped = !result && found ? evidence_table_add(whole, found, err) : 0;
    if (dropped > 0)
        console_note(con, "%d set%s of another council or other arms left the evidence", dropped,
                     dropped == 1 ? "" : "s");
    result = result || dropped < 0 || save(e, whole, con, err) ? -1 : 0;
    if (!result)
        tell(whole, con);
    free(found);
    free(whole);
    return result;
}
