/* commands.h - one function per row of the table of commands (options.h).
 *
 * A command reads *opt, writes its answer to standard output through *con and returns 0, or -1
 * with *err filled; main.c turns the code into the exit status. It never exits by itself.
 */
#ifndef REPL_COMMANDS_H
#define REPL_COMMANDS_H

#include "../options/options.h"
#include "../screen/console.h"

typedef int command_fn(const options *opt, console *con, error *err);
command_fn *command_function(command_id id); /* never NULL */

command_fn command_talk;
command_fn command_ask;
command_fn command_personas_list;
command_fn command_personas_show;
command_fn command_personas_new;
command_fn command_personas_derive;
command_fn command_personas_check;
command_fn command_personas_pack, command_personas_add;
command_fn command_personas_adapter;
command_fn command_train, command_train_verifier;
command_fn command_eval, command_eval_convert;
command_fn command_modes_list, command_modes_show, command_modes_check;
command_fn command_transcripts_list;
command_fn command_transcripts_show;
command_fn command_transcripts_stats;
command_fn command_transcripts_search;
command_fn command_transcripts_export, command_transcripts_rename, command_transcripts_delete;
command_fn command_transcripts_replay;
command_fn command_model_info;
command_fn command_model_list, command_model_map, command_model_fit;
command_fn command_model_build, command_model_voices;
command_fn command_model_export, command_model_convert;
command_fn command_edit;
command_fn command_tokenize;
command_fn command_logits;
command_fn command_perplexity;
command_fn command_trace;
command_fn command_bench;
command_fn command_compare;
command_fn command_manual;
command_fn command_help; /* also --help: of opt's command, NULL = of all */

#endif
