/* SPDX-License-Identifier: Apache-2.0
 *
 * Which command lines the shell may replace itself by. Pure. See simple_command.h.
 */
#include "worker/agent/simple_command.h"

#include <stddef.h>
#include <string.h>

/* Reserved words of the shell, and the commands that it runs itself (POSIX.1-2017, 2.4, 2.14 and 1.6, and those of dash
 * and bash). A built-in that is a program, too, may behave otherwise there: `echo` does. */
static const char *const shell_words[] = {
    ".",        "alias",   "bg",      "break",    "builtin", "case",   "cd",    "chdir", "command",
    "continue", "declare", "dirs",    "do",       "done",    "echo",   "elif",  "else",  "esac",
    "eval",     "exec",    "exit",    "export",   "false",   "fc",     "fg",    "fi",    "for",
    "function", "getopts", "hash",    "if",       "in",      "jobs",   "kill",  "let",   "local",
    "printf",   "pwd",     "read",    "readonly", "return",  "select", "set",   "shift", "shopt",
    "source",   "test",    "then",    "time",     "times",   "trap",   "true",  "type",  "typeset",
    "ulimit",   "umask",   "unalias", "unset",    "until",   "wait",   "while",
};

static bool is_shell_word(const char *word, size_t len)
{
    for (size_t i = 0; i < sizeof(shell_words) / sizeof(*shell_words); i++)
        if (strlen(shell_words[i]) == len && memcmp(shell_words[i], word, len) == 0)
            return true;
    return false;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Length of a first word that names a program as it stands; 0: it does not. */
static size_t program_length(const char *line)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./+-";
    size_t len = strspn(line, plain);

    if (len == 0 || (line[len] != '\0' && !is_blank(line[len])) || is_shell_word(line, len))
        return 0;
    return len;
}

bool command_is_simple(const char *line)
{
    char quote = '\0';

    while (is_blank(*line))
        line++;
    if (program_length(line) == 0)
        return false;
    for (; *line != '\0'; line++) {
        char c = *line;
        if (c == '`' || (c == '$' && line[1] == '('))
            return false; /* a command inside: its own quoting is not followed here */
        if (c == '\\' && quote != '\'') {
            if (*++line == '\0')
                return false;
        } else if (quote != '\0') {
            if (c == quote)
                quote = '\0';
        } else if (c == '\'' || c == '"') {
            quote = c;
        } else if (strchr(";&|()\n", c) || (c == '<' && line[1] == '<')) {
            return false;
        }
    }
    return quote == '\0';
}
