/* SPDX-License-Identifier: Apache-2.0
 *
 * What the words of a command say of the words behind them. Pure. See shell_words.h.
 */
#include "proto/shell_words.h"

#include <string.h>

static bool is_one_of(const char *word, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(word, list[i]) == 0)
            return true;
    return false;
}

#define IS_ONE_OF(word, ...)                                                                                           \
    is_one_of((word), (const char *const[]){__VA_ARGS__}, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

/* The length of NAME= or NAME+= at the beginning; 0: there is none. */
static size_t assigned_name(const char *word)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789";
    size_t len = strspn(word, letters);

    if (len == 0 || (word[0] >= '0' && word[0] <= '9'))
        return 0;
    return word[len] == '=' || (word[len] == '+' && word[len + 1] == '=') ? len : 0;
}

/* ---- the name ---- */

/* Words before a command's name: what runs it, options and numbers of that, assignments. */
static bool is_before_name(const char *word)
{
    return program_wraps(word) || assigned_name(word) > 0 || word[0] == '-' || (word[0] >= '0' && word[0] <= '9');
}

static void name_word(struct seen *seen, const char *word, bool plain)
{
    bool value = seen->optioned;

    seen->optioned = seen->split = false;
    if (!plain) {
        if (value || assigned_name(word) > 0 || word[0] == '-')
            return;
        seen->named = true;
        seen->reads = READS_COMPUTED;
    } else if (program_reads(word, &seen->reads)) {
        seen->named = true;
    } else if (is_before_name(word)) {
        seen->optioned = word[0] == '-' && word[1] != '-';
        seen->split = word[0] == '-' && (word[strlen(word) - 1] == 'S' || !strcmp(word, "--split-string"));
    } else {
        seen->named = !value;
    }
}

/* ---- options ---- */

/* An option, alone or with others in one word, behind which a script comes. */
static bool asks_for_script(const struct seen *seen, const char *word)
{
    if (word[0] != '-')
        return false;
    if (word[1] == '-')
        return seen->reads != READS_SHELL &&
               (!strncmp(word, "--eval", 6) || !strncmp(word, "--exec", 6) || !strncmp(word, "--command", 9) ||
                !strncmp(word, "--expression", 12) || !strncmp(word, "--print", 7) || !strncmp(word, "--run", 5));
    switch (seen->reads) {
    case READS_SHELL:
    case READS_COMPUTED:
        return strchr(word, 'c') != NULL;
    case READS_RUNNER:
        return strpbrk(word, "ce") != NULL;
    case READS_FIRST:
        return strchr(word, 'e') && word[1] != 'v' && word[1] != 'F';
    default:
        return strpbrk(word + 1, "ceErp") != NULL;
    }
}

/* So many words that follow belong to the option `word`. */
static unsigned option_values(const struct seen *seen, const char *word)
{
    if (seen->reads == READS_FIRST) {
        if (IS_ONE_OF(word, "--arg", "--argjson", "--slurpfile", "--rawfile"))
            return 2;
        return IS_ONE_OF(word, "-v", "-F", "-f", "-l", "--assign", "--field-separator", "--file", "--indent");
    }
    return IS_ONE_OF(word, "-o", "+o", "-O", "+O", "--rcfile", "--init-file", "-W", "-X", "-I");
}

/* Between the name of an interpreter and its script. */
static void option_word(struct seen *seen, const char *word, bool plain)
{
    if (seen->values > 0) {
        seen->values--;
        return;
    }
    if (word[0] != '-' && word[0] != '+') {
        if (seen->reads == READS_FIRST && !seen->given)
            seen->given = strcmp(word, "inplace") != 0; /* this was the program, unless it is gawk -i inplace */
        else if (seen->reads != READS_RUNNER && seen->reads != READS_COMPUTED)
            seen->over = true; /* a file with the script: what follows are its arguments */
        return;
    }
    if (!plain)
        return;
    if (seen->reads == READS_FIRST && IS_ONE_OF(word, "-f", "--file"))
        seen->given = true;
    if (asks_for_script(seen, word))
        seen->script = !strchr(word, '=');
    else
        seen->values = option_values(seen, word);
}

/* The word behind -c, or further options before it. */
static void script_word(struct seen *seen, const char *word, bool plain)
{
    bool shell = seen->reads == READS_SHELL || seen->reads == READS_COMPUTED;

    if (plain && (word[0] == '-' || (shell && word[0] == '+')))
        return;
    seen->script = false;
    seen->given = true;
    seen->over = seen->reads == READS_SHELL;
}

/* Whether one of the words may name another command. */
static bool runs_others(enum reads reads)
{
    return reads == READS_DATA || reads == READS_RUNNER || reads == READS_COMPUTED || reads == READS_WRAP;
}

static void argument_word(struct seen *seen, const char *word, bool plain)
{
    enum reads reads;

    if (plain && IS_ONE_OF(word, "-exec", "-execdir", "-ok", "-okdir")) {
        *seen = (struct seen){0};
        return;
    }
    if (plain && runs_others(seen->reads) && program_reads(word, &reads) &&
        (reads == READS_SHELL || reads == READS_LANGUAGE)) {
        *seen = (struct seen){.named = true, .reads = reads};
        return;
    }
    switch (seen->reads) {
    case READS_SHELL:
    case READS_COMPUTED:
    case READS_RUNNER:
    case READS_LANGUAGE:
    case READS_FIRST:
        option_word(seen, word, plain);
        break;
    case READS_DECLARE:
        seen->evaluates |= (word[0] == '-' || word[0] == '+') && strpbrk(word, "in");
        break;
    case READS_TEST:
        seen->values = strcmp(word, "-v") == 0;
        break;
    default:
        break;
    }
}

void seen_word(struct seen *seen, const char *word, bool plain)
{
    if (seen->over)
        return;
    if (!seen->named)
        name_word(seen, word, plain);
    else if (seen->script)
        script_word(seen, word, plain);
    else
        argument_word(seen, word, plain);
}

/* ---- where {} can stand ---- */

static enum why why_script(const struct seen *seen)
{
    switch (seen->reads) {
    case READS_SHELL:
        return WHY_SCRIPT;
    case READS_COMPUTED:
    case READS_RUNNER:
        return WHY_RUNNER;
    default:
        return WHY_LANGUAGE;
    }
}

/* Variables whose value a shell runs. */
static bool is_run(const char *before)
{
    static const char *const names[] = {"PS0", "PS1", "PS2", "PS4", "PROMPT_COMMAND", "BASH_ENV", "ENV", "BASH_FUNC"};
    size_t len = assigned_name(before);

    for (size_t i = 0; len > 0 && i < sizeof(names) / sizeof(*names); i++)
        if (strlen(names[i]) == len && memcmp(names[i], before, len) == 0)
            return true;
    return false;
}

static enum why check_first(const struct seen *seen, const char *before)
{
    if (seen->values > 0 || seen->given)
        return before[0] == '-' && asks_for_script(seen, before) ? WHY_LANGUAGE : WHY_NOT;
    return before[0] == '-' && !asks_for_script(seen, before) ? WHY_NOT : WHY_LANGUAGE;
}

/* Options of tar, rsync and their like whose value is a command line. */
static bool is_command_option(const char *before)
{
    static const char *const ends[] = {"exec=", "command=", "cmd=", "rsh=", "shell=", "program=", "wrap="};
    size_t len = strlen(before);

    for (size_t i = 0; !strncmp(before, "--", 2) && i < sizeof(ends) / sizeof(*ends); i++)
        if (len >= strlen(ends[i]) && strcmp(before + len - strlen(ends[i]), ends[i]) == 0)
            return true;
    return false;
}

enum why seen_check(const struct seen *seen, const char *before)
{
    if (seen->over)
        return WHY_NOT;
    if (is_command_option(before))
        return WHY_RUNNER;
    if (is_run(before) && (!seen->named || seen->reads == READS_DECLARE))
        return WHY_VARIABLE;
    if (!seen->named)
        return seen->split || !strncmp(before, "-S", 2) || !strncmp(before, "--split", 7) ? WHY_RUNNER : WHY_NOT;
    if (seen->script)
        return why_script(seen);
    switch (seen->reads) {
    case READS_SHELL:
    case READS_COMPUTED:
    case READS_RUNNER:
    case READS_LANGUAGE:
        return seen->values == 0 && asks_for_script(seen, before) ? why_script(seen) : WHY_NOT;
    case READS_FIRST:
        return check_first(seen, before);
    case READS_ALL:
        return WHY_ALL;
    case READS_REMOTE:
        return WHY_REMOTE;
    case READS_NAMES:
        return WHY_NAME;
    case READS_DECLARE:
        return assigned_name(before) == 0 ? WHY_NAME : seen->evaluates ? WHY_NUMBER : WHY_NOT;
    case READS_TEST:
        return seen->values > 0 ? WHY_NAME : WHY_NOT;
    case READS_MAKE:
        return strchr(before, '=') || before[0] == '-' ? WHY_MAKE : WHY_NOT;
    case READS_WRAP:
        return strncmp(before, "--wrap", 6) == 0 ? WHY_RUNNER : WHY_NOT;
    default:
        return WHY_NOT;
    }
}

const char *why_text(enum why why, const char **instead)
{
    static const char *const texts[][2] = {
        [WHY_NOT] = {"", ""},
        [WHY_SCRIPT] = {"in the script of a shell in this line, in quotes that both shells read",
                        "write the script in single quotes, or pass the input to it: sh -c '… \"$1\" …' sh {}"},
        [WHY_RUNNER] = {"in a word that this command gives to a shell to run",
                        "give it the command in words, or a script of its own with the input as an argument"},
        [WHY_LANGUAGE] = {"in a program of another language, which would read the input as code",
                          "pass the input as an argument: python3 -c '… sys.argv[1] …' {}, awk -v x={} '…'"},
        [WHY_ALL] = {"among words that are evaluated as code (eval, let, trap, alias, watch, sqlite3 and their like)",
                     "use it without that, as in: x={}; … \"$x\""},
        [WHY_REMOTE] = {"among the words of ssh or its like, which a shell on the other host reads as code",
                        "send the input to its standard input: ssh HOST 'cat' with no {}"},
        [WHY_NAME] = {"where the name of a variable stands, which a shell may evaluate", "use a name of your own"},
        [WHY_NUMBER] = {"in arithmetic, which a shell may evaluate as code", "use expr or [ ], as in: [ {} -gt 1 ]"},
        [WHY_VARIABLE] = {"in a variable whose value a shell runs (PS4, ENV, BASH_ENV)", "use another name"},
        [WHY_MAKE] = {"in an option or a variable of make, which expands $(shell …) in it",
                      "pass it in the environment: X={} make, and use $$X in the recipe"},
    };

    *instead = texts[why][1];
    return texts[why][0];
}

/* ---- foreign placeholders ---- */

/* The length of a {1} that stands by itself, which {3} in a regular expression does not, or of {1.}, {-1/}; 0: it is
 * none.
 */
static size_t numbered(const char *text, const char *at)
{
    static const char apart[] = " \t\n\"'";
    size_t digits = (at[1] == '-') + strspn(at + 1 + (at[1] == '-'), "0123456789");
    size_t marks = strspn(at + 1 + digits, "./");

    if (digits == (size_t)(at[1] == '-') || at[1 + digits + marks] != '}')
        return 0;
    if (marks > 0)
        return digits + marks + 2;
    if (at > text && !strchr(apart, at[-1]))
        return 0;
    return strchr(apart, at[2 + digits]) ? digits + 2 : 0; /* the end of the text is among them */
}

const char *shell_foreign_place(const char *text, size_t *len)
{
    static const char *const foreign[] = {"{.}",  "{/}",  "{//}",  "{/.}", "{#}",  "{%}",
                                          "{+/}", "{..}", "{...}", "{##}", "{+.}", "{=}"};

    for (const char *at = text; (at = strchr(at, '{')); at++) {
        if (at > text && at[-1] == '$') /* an expansion of the shell: ${#} */
            continue;
        if ((*len = numbered(text, at)) > 0)
            return at;
        for (size_t i = 0; i < sizeof(foreign) / sizeof(*foreign); i++) {
            *len = strlen(foreign[i]);
            if (strncmp(at, foreign[i], *len) == 0)
                return at;
        }
        const char *end = at[1] == '=' ? strstr(at, "=}") : NULL;
        if (end) {
            *len = (size_t)(end - at) + 2;
            return at;
        }
    }
    return NULL;
}

const char *shell_foreign_source(const char *text, size_t *len)
{
    static const char apart[] = " \t\n";

    for (const char *at = text; (at = strstr(at, ":::")); at += *len) {
        *len = strspn(at, ":");
        bool whole = (at == text || strchr(apart, at[-1])) && *len <= 4;
        *len += at[*len] == '+';
        if (whole && strchr(apart, at[*len])) /* the end of the text is among them */
            return at;
    }
    return NULL;
}
