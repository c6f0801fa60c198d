/* options_table.c - the commands and the options: names, arguments, ranges, help. See options.h. */
#include "options.h"

#include <string.h>

#include "commands.h"

#define BIT(command) (1u << COMMAND_##command)
enum {
    EVERY_COMMAND = (1u << COMMAND_COUNT) - 1,
    /* A command that takes -m takes all that says how a model is run. */
    WITH_MODEL = EVERY_COMMAND & ~BIT(MODEL_LIST),
    EXACT_KV = BIT(LOGITS) | BIT(PERPLEXITY),
    WITH_FORMAT = BIT(MODEL_INFO) | BIT(MODEL_LIST) | BIT(PERPLEXITY) | BIT(BENCH),
};

static const command_info commands[COMMAND_COUNT] = {
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
          "consilium model info --format json"},
         command_model_info},
    [COMMAND_MODEL_LIST] =
        {"model list",
         "",
         0,
         0,
         "list the models found on this machine",
         "Looks where Ollama, LM Studio and the Hugging Face libraries keep their models, and at "
         "the built-in model. Says whether each can be run, or why not. Nothing is downloaded.",
         {"consilium model list", "consilium model list --format json"},
         command_model_list},
    [COMMAND_TOKENIZE] =
        {"tokenize",
         "[TEXT|-]",
         0,
         1,
         "turn text into token ids",
         "Prints a JSON array of token ids. The text is taken as it is: no special token is "
         "parsed out of it and none is added. `-` reads standard input.",
         {"consilium tokenize 'Hello, world'", "consilium tokenize --file notes.txt",
          "printf 'a\\nb' | consilium tokenize -"},
         command_tokenize},
    [COMMAND_LOGITS] =
        {"logits",
         "",
         0,
         0,
         "write the logits for a list of tokens",
         "Reads the tokens as they are and writes, for each of them, what the model expects next: "
         "float32, little-endian, [tokens, rows of the output matrix]. The output is written in "
         "place and may be a pipe or a device.",
         {"consilium logits --tokens 1,2,3 --output logits.f32"},
         command_logits},
    [COMMAND_PERPLEXITY] =
        {"perplexity",
         "FILE|-",
         1,
         1,
         "measure how well a model predicts a text",
         "The text is cut into windows of 512 tokens that do not overlap; the last 256 of each are "
         "scored with the tokens before them as context; what is left over is dropped. nll is the "
         "mean of nats per scored token, ppl is exp(nll).",
         {"consilium perplexity notes.txt", "consilium perplexity notes.txt --format json"},
         command_perplexity},
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
         {"consilium bench", "consilium bench --passes 1,3 --generate 128 --format json"},
         command_bench},
};

#define FIELD(name) offsetof(options, name)

static const option_info table[] = {
    {"file", 'f', OPTION_TEXT, GROUP_COMMAND, BIT(TOKENIZE), "FILE",
     "read the text from FILE (`-`: standard input)", 0, 0, FIELD(file)},
    {"tokens", 0, OPTION_NUMBERS, GROUP_COMMAND, BIT(LOGITS), "N,N,...", "the token ids to read", 0,
     INT32_MAX, FIELD(ids)},
    {"output", 'o', OPTION_TEXT, GROUP_COMMAND, BIT(LOGITS), "FILE",
     "where to write (`-`: standard output)", 0, 0, FIELD(output)},
    {"experts", 0, OPTION_NUMBER, GROUP_COMMAND, BIT(LOGITS) | BIT(PERPLEXITY), "K",
     "experts called for each token (default: as trained)", 1, MODEL_MAX_EXPERTS, FIELD(experts)},
    {"prompt", 0, OPTION_NUMBER, GROUP_COMMAND, BIT(BENCH), "N",
     "tokens to read in each pass (default 128)", 1, 1 << 20, FIELD(prompt)},
    {"generate", 0, OPTION_NUMBER, GROUP_COMMAND, BIT(BENCH), "N",
     "tokens to write in each pass (default 32)", 1, 1 << 20, FIELD(generate)},
    {"passes", 0, OPTION_NUMBERS, GROUP_COMMAND, BIT(BENCH), "N,N,...",
     "how many passes at once (default 1,2,3,4)", 1, 64, FIELD(passes)},
    {"format", 0, OPTION_CHOICE, GROUP_COMMAND, WITH_FORMAT, "text|json",
     "how to print the answer (default text)", 0, 0, FIELD(format)},

    {"model", 'm', OPTION_TEXT, GROUP_MODEL, WITH_MODEL, "MODEL",
     "GGUF file, Hugging Face folder, or a name as `consilium model list` shows it: "
     "ollama:NAME:TAG, hf:ORG/NAME, lmstudio:PUBLISHER/NAME (default: the built-in model)",
     0, 0, FIELD(model)},
    {"kv", 0, OPTION_CHOICE, GROUP_MODEL, WITH_MODEL & ~EXACT_KV, "f16|f32|q8_0",
     "how keys and values are kept (default f16)", 0, 0, FIELD(kv)},
    {"kv", 0, OPTION_CHOICE, GROUP_MODEL, EXACT_KV, "f16|f32|q8_0",
     "how keys and values are kept (default f32 here)", 0, 0, FIELD(kv)},
    {"context", 0, OPTION_NUMBER, GROUP_MODEL, WITH_MODEL, "N",
     "most tokens a pass can hold (default: the model's, at most 8192)", 1, 1 << 24,
     FIELD(context)},
    {"threads", 0, OPTION_NUMBER, GROUP_MODEL, WITH_MODEL, "N",
     "threads that compute (default: the physical cores)", 1, 1024, FIELD(threads)},
    {"backend", 0, OPTION_CHOICE, GROUP_MODEL, WITH_MODEL, "auto|cpu|cuda",
     "the device that computes (default auto)", 0, 0, FIELD(backend)},
    {"isa", 0, OPTION_CHOICE, GROUP_MODEL, WITH_MODEL, "auto|baseline|avx2",
     "the processor's instructions to use (default auto)", 0, 0, FIELD(isa)},
    {"chat-format", 0, OPTION_TEXT, GROUP_MODEL, WITH_MODEL, "NAME",
     "the chat format, when the model's template is not recognised", 0, 0, FIELD(chat_format)},

    {"quiet", 'q', OPTION_FLAG, GROUP_EVERY, EVERY_COMMAND, NULL, "no notes, no progress", 0, 0,
     FIELD(quiet)},
    {"verbose", 'v', OPTION_FLAG, GROUP_EVERY, EVERY_COMMAND, NULL,
     "say more, for example which settings of a model are unknown", 0, 0, FIELD(verbose)},
    {"no-color", 0, OPTION_FLAG, GROUP_EVERY, EVERY_COMMAND, NULL,
     "no colours (nor with NO_COLOR set, TERM=dumb, or in a pipe)", 0, 0, FIELD(no_color)},
    {"help", 'h', OPTION_FLAG, GROUP_EVERY, EVERY_COMMAND, NULL, "show this help", 0, 0,
     FIELD(help)},
    {"version", 0, OPTION_FLAG, GROUP_EVERY, EVERY_COMMAND, NULL, "show the version", 0, 0,
     FIELD(version)},
};

const command_info *options_commands(void)
{
    return commands;
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
