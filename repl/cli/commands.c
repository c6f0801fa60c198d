/* commands.c - the one place that knows which function a row of the table of commands stands for. */
#include "commands.h"

static command_fn *const functions[COMMAND_COUNT] = {
    [COMMAND_TALK] = command_talk,
    [COMMAND_ASK] = command_ask,
    [COMMAND_PERSONAS_LIST] = command_personas_list,
    [COMMAND_PERSONAS_SHOW] = command_personas_show,
    [COMMAND_PERSONAS_NEW] = command_personas_new,
    [COMMAND_PERSONAS_DERIVE] = command_personas_derive,
    [COMMAND_PERSONAS_CHECK] = command_personas_check,
    [COMMAND_PERSONAS_PACK] = command_personas_pack,
    [COMMAND_PERSONAS_ADD] = command_personas_add,
    [COMMAND_PERSONAS_ADAPTER] = command_personas_adapter,
    [COMMAND_TRAIN] = command_train,
    [COMMAND_EVAL] = command_eval,
    [COMMAND_MODES_LIST] = command_modes_list,
    [COMMAND_MODES_SHOW] = command_modes_show,
    [COMMAND_MODES_CHECK] = command_modes_check,
    [COMMAND_TRANSCRIPTS_LIST] = command_transcripts_list,
    [COMMAND_TRANSCRIPTS_SHOW] = command_transcripts_show,
    [COMMAND_TRANSCRIPTS_STATS] = command_transcripts_stats,
    [COMMAND_TRANSCRIPTS_SEARCH] = command_transcripts_search,
    [COMMAND_TRANSCRIPTS_EXPORT] = command_transcripts_export,
    [COMMAND_TRANSCRIPTS_RENAME] = command_transcripts_rename,
    [COMMAND_TRANSCRIPTS_DELETE] = command_transcripts_delete,
    [COMMAND_TRANSCRIPTS_REPLAY] = command_transcripts_replay,
    [COMMAND_MODEL_INFO] = command_model_info,
    [COMMAND_MODEL_LIST] = command_model_list,
    [COMMAND_MODEL_MAP] = command_model_map,
    [COMMAND_MODEL_FIT] = command_model_fit,
    [COMMAND_MODEL_BUILD] = command_model_build,
    [COMMAND_MODEL_VOICES] = command_model_voices,
    [COMMAND_MODEL_EXPORT] = command_model_export,
    [COMMAND_MODEL_CONVERT] = command_model_convert,
    [COMMAND_EDIT] = command_edit,
    [COMMAND_TOKENIZE] = command_tokenize,
    [COMMAND_LOGITS] = command_logits,
    [COMMAND_PERPLEXITY] = command_perplexity,
    [COMMAND_TRACE] = command_trace,
    [COMMAND_BENCH] = command_bench,
    [COMMAND_COMPARE] = command_compare,
    [COMMAND_MANUAL] = command_manual,
    [COMMAND_HELP] = command_help,
};

command_fn *command_function(command_id id)
{
    return functions[id];
}
