/* slash_table.c - the commands of the conversation: names, arguments, help. See slash.h.
 *
 * A new command is a row here, its name in a section of slash_help.c, its function declared in
 * slash_commands.h and written in the slash_*.c of its subject. Help, completion, the man page and
 * the guesses at misspelt words follow from the row.
 */
#include "../../../personas/merge/merge_table.h"
#include "slash_commands.h"

static const slash_command table[] = {
    {"help", "[SECTION|COMMAND|all]", "what there is; a section, or all about one command",
     "Alone it lists the sections: asking, merging, voices, learning, screen, record. Each fits a "
     "screen of "
     "24 lines; `all` shows everything.",
     COMPLETE_COMMAND, "asking|merging|voices|learning|screen|record|all", slash_help},

    {"personas", "[+NAME -NAME | auto | edit NAME]", "who speaks; more, or fewer of them",
     "Alone it lists who speaks, what each acts by, and who else there is. +NAME adds a persona, "
     "-NAME takes one away, and names without a sign are the new list. `auto` sends each prompt to "
     "the one that it asks for, `auto:A,B` to one of these. `edit NAME` opens the persona's file "
     "in "
     "your editor and seats what you saved; a persona that came with the program is copied to your "
     "own folder first.",
     COMPLETE_PERSONA, NULL, slash_personas},
    {"mask", "[show|on|off|soften|diff] NAME", "a persona's mask: look, switch, weaken, compare",
     "`show NAME` tells what the mask keeps, bans or leans, by layer. `off NAME` lets the persona "
     "speak without its mask. `soften NAME [X]` turns what the mask keeps or bans into a leaning "
     "of X nats (default 2); the heading says so, \"mask x0.3\". `on NAME` gives the mask back as "
     "it is in its file, after either. `diff NAME [OTHER]` compares two masks, or one with all "
     "others. `show` alone, and /mask, list all who speak. A mask FILE is put on with /set mask "
     "NAME=FILE.",
     COMPLETE_PERSONA, "show|on|off|soften|diff", slash_mask},
    {"experts", "K | NAME=K", "experts called for each token",
     "K for every pass but control, or for one persona. A K above what a mask allows is capped, "
     "and the heading says so: \"4 of 8 experts\". `default` takes it back.",
     COMPLETE_NOTHING, NULL, slash_experts},
    {"strength", "NAME X", "how loud a persona's experts are",
     "1 is as trained, 0 is silent; above 1.25 answers may suffer. NAME alone tells, and X alone "
     "is for every persona.",
     COMPLETE_PERSONA, NULL, slash_strength},
    {"control", "on|off|prompt|mask", "a column with nothing added, to compare with",
     "`on` adds the plain model; `prompt` adds each persona with its instruction alone, `mask` "
     "with its mask alone.",
     COMPLETE_NOTHING, "on|off|prompt|mask", slash_control},
    {"system", "[TEXT | off]", "an instruction for every pass",
     "Stands before each persona's own instruction, and the control hears it too. Alone it tells "
     "what is said now; `off` ends it.",
     COMPLETE_NOTHING, NULL, slash_system},
    {"think", "[N | on | off]", "let a thinking model think, at most N tokens", NULL,
     COMPLETE_NOTHING, "on|off", slash_think},
    {"set", "[OPTION VALUE]", "any option of the command line, by its long name",
     "Alone it lists the options that can be set, with their values. `default` as the VALUE takes "
     "one back to what it was at the start. `/set overflow stop` makes a full context an error "
     "instead of forgetting the oldest turns.",
     COMPLETE_OPTION, NULL, slash_set},
    {"mode", "[NAME | auto | off]", "a way of working: experts, sampling, length, who speaks",
     "A mode changes what nobody has set: how many experts are called, how answers are drawn, "
     "thinking, "
     "how much of the conversation is read, how long answers may be, who speaks. `auto` chooses "
     "one for "
     "each question, and says which and why; #code, #think, #dialog, #fast or #deep before or "
     "behind a "
     "question decide it. Alone it tells what holds and which there are; `consilium modes` tells "
     "what "
     "is in them.",
     COMPLETE_MODE, NULL, slash_mode},
    {"model", "[MODEL]", "which model this is, or another one",
     "MODEL is a file, a folder or a name as `consilium model list` shows it. The conversation is "
     "kept; the new model reads it when you next ask.",
     COMPLETE_FILE, NULL, slash_model},

    {"teach", "NAME [edit | TEXT]", "the last question with a good answer, kept as a lesson",
     "The answer is the one you picked, else NAME's own; `edit` opens it in your editor first, and "
     "a "
     "TEXT stands in its place. It becomes a lesson of NAME: a line in your own "
     "NAME.lessons.jsonl, "
     "on the disk before it is said. A persona that came with the program is copied to your own "
     "folder first. An answer that broke off is no lesson. The question is kept without the turns "
     "before it.",
     COMPLETE_PERSONA, NULL, slash_teach},

    {"train", "[NAME [OPTIONS] | use NAME | stop]", "a persona learns, beside the conversation",
     "Runs `consilium train NAME` on this model, with its options, as a process that computes only "
     "when nothing else wants to. The prompt shows how far it is; alone, /train tells the loss, "
     "the "
     "time left and a small curve. When it has ended, `use NAME` seats the persona with what it "
     "learned. `stop` ends it and keeps what there is, as leaving the program does.",
     COMPLETE_PUPIL, "use|stop", slash_train},
    {"untrain", "NAME", "back to before: what was trained for a persona on this model goes",
     "The adapter and the mask that came with it; those that were there before return, one step "
     "back: what was there before them is not kept. It says what would go, and does it when `yes` "
     "stands behind.",
     COMPLETE_PERSONA, NULL, slash_untrain},
    {"derive", "NAME [auto|ban|bias|keep]", "a mask for this model, if one steers",
     "Reads the lessons of all personas under the plain model, tries masks that turn NAME away "
     "from "
     "the experts that the others call, measures them on lessons that they were not made of, and "
     "shows the table. Only a mask that does more than 20 random ones is written, and spoken by; "
     "Ctrl-C leaves all as it was. A persona that came with the program is copied to your own "
     "folder first. `consilium personas derive` does it for all at once.",
     COMPLETE_PERSONA, "auto|ban|bias|keep", slash_derive},

    {"file", "PATH", "put a file into the next prompt",
     "The file's text stands behind your next prompt, after a blank line. Several add up; `off` "
     "takes them out again.",
     COMPLETE_FILE, NULL, slash_file},
    {"merge", "[METHOD] [by NAME] [of A,B]", "join the last answers, again or in another way",
     "METHOD is " MERGE_WAYS "; `/merge` alone uses what is set, and `/merge none` and `/merge "
     "auto` set what follows every answer from now on. `by NAME` lets a persona write a synthesis, "
     "which a model below 1B parameters else quotes from the answers; `of A,B` joins these answers "
     "only. The answers are kept.",
     COMPLETE_SEAT, MERGE_NAMES, slash_merge},
    {"vote", "", "each persona scores each answer", NULL, COMPLETE_NOTHING, NULL, slash_vote},
    {"debate", "[N]", "each revises its answer after reading the others, N rounds", NULL,
     COMPLETE_NOTHING, NULL, slash_debate},
    {"blend", "[NAME=X ...]", "one answer, token by token a mixture of the personas",
     "Weights are relative: `/blend coder=.6 critic=.4`. Who is not named takes no part; without "
     "names all count alike.",
     COMPLETE_SEAT, NULL, slash_blend},
    {"pick", "NAME|merge", "say which answer was best",
     "It is recorded for `consilium transcripts stats`, and under /context picked it is what every "
     "persona remembers of the turn. After /blind it tells who was who.",
     COMPLETE_SEAT, NULL, slash_pick},
    {"context", "[own|merged|picked]", "what the next turn's passes remember",
     "own: each its own answers. merged: all the merge, where there is one. picked: all the answer "
     "you picked. The prompt shows which.",
     COMPLETE_NOTHING, "own|merged|picked", slash_context},
    {"retry", "[NAME] [seed=N]", "answer again: all, or one; the old answers are kept", NULL,
     COMPLETE_SEAT, NULL, slash_retry},
    {"continue", "[NAME] [N]", "an answer that was cut short goes on, by at most N tokens",
     "For an answer that ended by length or by Ctrl-C: it goes on behind its last token, with as "
     "many more as --max-tokens says unless you say N. Without a NAME it is the one that was cut "
     "short. The answer grows; the merge is made again.",
     COMPLETE_SEAT, NULL, slash_continue},
    {"edit", "", "the last question back into the line, to be asked otherwise",
     "The question stands in the line as it was typed. What you send takes its place: the old turn "
     "is undone, and the transcript keeps it, marked. Ctrl-C or an empty line leaves all as it "
     "was. Ctrl-X Ctrl-E opens your editor.",
     COMPLETE_NOTHING, NULL, slash_edit},
    {"undo", "", "forget the last turn; the transcript keeps it, marked", NULL, COMPLETE_NOTHING,
     NULL, slash_undo},
    {"history", "[N]", "the last N questions (10), with how the answers began", NULL,
     COMPLETE_NOTHING, NULL, slash_history},
    {"new", "", "a fresh conversation, with who speaks now",
     "Nothing of the past is remembered from here on, and it gets a transcript of its own. Who "
     "speaks and what was set stay; the old conversation is kept, and /resume goes on with it.",
     COMPLETE_NOTHING, NULL, slash_new},
    {"diverge", "", "where the personas part, and by how much",
     "Shows the first tokens at which the personas' distributions part on a shared beginning, what "
     "each would have said there, and the Jensen-Shannon divergence.",
     COMPLETE_NOTHING, NULL, slash_diverge},
    {"compare", "COLUMN ... [-- QUESTION]",
     "the last question to this model set up in several ways",
     "A COLUMN is a number of experts (/compare 2 4 8 12), a preset (base, extreme, smart, "
     "maximal) or "
     "NAME:KEY=VALUE,..., as `consilium compare --help` has them: /compare fast:experts=2 "
     "deep:experts=12,norm_width=16. The question is asked alone, without the turns before it, and "
     "nothing of it is remembered or saved. A table says how long answers are, how they end, how "
     "likely "
     "the columns find each other's, and how far each is from the model as it is.",
     COMPLETE_NOTHING, "base|smart|maximal", slash_compare},
    {"routing", "[live|off]", "the experts that answers called, as pictures",
     "Reads the last turn again and draws for each pass which experts it called: a row is a layer, "
     "a "
     "column an expert. Below stand how many experts a layer called, which share of those that the "
     "routers wanted was denied, and where the answers part.\n"
     "`/routing live` has such a picture below each answer while it grows: bright is what the last "
     "tokens called; complete, it shows all of the answer. It takes a third of the screen at most; "
     "`/routing off` takes it away.",
     COMPLETE_NOTHING, "live|off", slash_routing},
    {"trace", "FILE", "the routes of the last turn as .html, .npz, .jsonl or .json",
     "Token by token and layer by layer: experts, gates, margin, entropy, banned mass, what was "
     "wanted and denied, and what stood in. .html is a page to look at, .npz is for numpy, .json "
     "is SGLang's array. A file that is there is written over only with `/trace FILE!`.",
     COMPLETE_FILE, NULL, slash_trace},
    {"blind", "on|off", "columns become A, B, C, shuffled; /pick B reveals", NULL, COMPLETE_NOTHING,
     "on|off", slash_blind},

    {"view", "cols|stack|focus NAME|auto", "side by side, one below the other, or one large",
     "auto is columns while each gets 32 cells, else stack. In focus Ctrl-C stops the one in "
     "focus, and a second one all.",
     COMPLETE_SEAT, "auto|cols|stack|focus", slash_view},
    {"show", "NAME|merge", "an answer at full width, ready to select", NULL, COMPLETE_SEAT, NULL,
     slash_show},
    {"copy", "NAME|merge|NAME.2", "an answer, or its second code block, to the clipboard",
     "By wl-copy or xclip; in tmux into its paste buffer; else by OSC 52 where the terminal is one "
     "that takes it, wrapped under screen and tmux. It says what is known: a terminal never "
     "answers whether it took a text. Control bytes stand there as on the screen.",
     COMPLETE_SEAT, NULL, slash_copy},
    {"save", "FILE [NAME]", "the conversation as .md, .html or .json; or coder.py: a code block",
     "Markdown, HTML or JSON by the ending; any other ending writes a code block of the last "
     "answers: NAME.py is NAME's first block when NAME has answered, or else the first block at "
     "all; `/save fib.py coder.2` names it. A file that is there is written over only with `/save "
     "FILE!`.",
     COMPLETE_FILE, NULL, slash_save},

    {"sessions", "", "conversations on this machine", NULL, COMPLETE_NOTHING, NULL, slash_sessions},
    {"resume", "ID", "go on with another conversation", NULL, COMPLETE_SESSION, NULL, slash_resume},
    {"fork", "", "a new session with the same past", NULL, COMPLETE_NOTHING, NULL, slash_fork},
    {"title", "TEXT | default", "what lists and exports call this conversation",
     "Without one it is called by the first words of its first question; `default` takes it back "
     "to them. Its id stays.",
     COMPLETE_NOTHING, NULL, slash_title},
    {"search", "WORDS", "find words in all conversations", NULL, COMPLETE_NOTHING, NULL,
     slash_search},
    {"stats", "", "figures of this conversation, and who was picked so far", NULL, COMPLETE_NOTHING,
     NULL, slash_stats},
    {"quit", "", "leave; so does Ctrl-D", NULL, COMPLETE_NOTHING, NULL, slash_quit},
};

const slash_command *slash_table(size_t *count)
{
    *count = sizeof table / sizeof *table;
    return table;
}
