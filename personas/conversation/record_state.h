/* record_state.h - what the files of the keeper share behind record.h. */
#ifndef PERSONAS_RECORD_STATE_H
#define PERSONAS_RECORD_STATE_H

#include "record.h"

/* The members of the setting record that turn t runs under. */
void keeper_setting_emit(json_writer *e, const dialogue *d, const roster_options *seats,
                         const struct turn *t);

#endif
