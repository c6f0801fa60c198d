/* personas_model.c - see personas_model.h. */
#include "personas_model.h"

#include <stdlib.h>
#include <unistd.h>

int personas_model(const options *opt, console *con, engine **out, error *err)
{
    *out = NULL;
    if (!opt->model) {
        char *path;
        if (open_model_built_in_path(&path, err))
            return -1;
        bool built = access(path, F_OK) == 0;
        free(path);
        if (!built)
            return 0;
    }
    *out = open_model(opt, con, err);
    return *out ? 0 : -1;
}

roster *personas_seat(engine *e, const persona *p, roster_note *note, void *user, error *err)
{
    const char *name = p->name;
    roster_options o = {
        .personas = &name, .persona_count = 1, .sampling = sampling_defaults(), .prompt = ""};
    return roster_open(e, &o, note, user, err);
}
