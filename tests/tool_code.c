/* tool_code.c - runs a program from standard input as `eval --run-code` does: "passed" or "failed". */
#include <stdio.h>
#include <unistd.h>

#include "../repl/system/code_runner.h"

int main(void)
{
    static char text[CODE_BYTES];
    size_t n = fread(text, 1, sizeof text, stdin);
    bool passed = false;
    error err = {0};
    code_runner *r = code_runner_open(&err);
    int result = r ? code_runner_run(r, text, n, &passed, &err) : -1;
    code_runner_close(r);
    if (result)
        (void)fprintf(stderr, "%s\n", err.text);
    else
        (void)puts(passed ? "passed" : "failed");
    return result ? 1 : 0;
}
