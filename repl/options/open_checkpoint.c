/* open_checkpoint.c - see open_checkpoint.h. */
#include "open_checkpoint.h"

#include <stdlib.h>

#include "../../engine/run/weights.h"
#include "open_model.h"

checkpoint *open_checkpoint(const options *opt, const char *name, console *con, error *err)
{
    options named = *opt; /* the lists stay opt's */
    char *path = NULL;
    named.model = name;
    if (open_model_path(&named, &path, err))
        return NULL;
    checkpoint *c = checkpoint_open(path, open_model_warn, con, err);
    free(path);
    if (c && weights_check(c, open_model_warn, con, err) == 0)
        return c;
    checkpoint_close(c);
    return NULL;
}
