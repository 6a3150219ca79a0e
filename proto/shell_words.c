/* SPDX-License-Identifier: Apache-2.0
 *
 * What the words of a command say of the words behind them. Pure. See shell_words.h.
 */
#include "shell_words.h"

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

static const char *base_name(const char *word)
{
    const char *slash = strrchr(word, '/');

    return slash ? slash + 1 : word;
}

static bool is_shell(const char *word)
{
    return IS_ONE_OF(base_name(word), "sh", "bash", "dash", "ash", "zsh", "ksh", "ksh93", "mksh", "yash", "rbash");
}

/** Interpreters of another language; a shell whose quotes are other ones is like that. */
static bool is_language(const char *word)
{
    const char *name = base_name(word);

    return strncmp(name, "python", 6) == 0 || strncmp(name, "perl", 4) == 0 || strncmp(name, "ruby", 4) == 0 ||
           strncmp(name, "lua", 3) == 0 || strncmp(name, "php", 3) == 0 ||
           IS_ONE_OF(name, "node", "nodejs", "Rscript", "fish", "csh", "tcsh", "su", "osascript", "tclsh");
}

static const char *evaluator(const char *word)
{
    static const char *const names[] = {"eval", "let", "trap", "alias", "ssh"};

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        if (strcmp(base_name(word), names[i]) == 0)
            return names[i];
    return NULL;
}

/** An option, alone or with others in one word, after which a script comes. */
static bool asks_for_script(const char *word, bool shell)
{
    if (word[0] != '-' || word[1] == '-')
        return false;
    return shell ? strchr(word, 'c') != NULL : strpbrk(word + 1, "ceErp") != NULL;
}

/** Words that may stand before a command's name. */
static bool is_before_name(const char *word)
{
    return strchr(word, '=') != NULL || IS_ONE_OF(word, "if", "then", "else", "elif", "while", "until", "do", "!", "{",
                                                  "command", "builtin", "exec", "env", "nohup", "nice", "time", "sudo");
}

/** Between the name of an interpreter and its script. */
static void seen_option(struct seen *seen, const char *word)
{
    bool value = seen->value;

    seen->value = false;
    if (value)
        return;
    if (asks_for_script(word, seen->shell))
        seen->script = true;
    else if (IS_ONE_OF(word, "-o", "+o", "-O", "+O", "--rcfile", "--init-file", "-W", "-X", "-I"))
        seen->value = true;
    else if (word[0] != '-' && word[0] != '+' && !seen->any)
        seen->shell = seen->language = false; /* a file with the script: what follows are its arguments */
}

/** The next word of a simple command, of plain letters; "" for any other. */
void seen_word(struct seen *seen, const char *word)
{
    bool named = seen->named;

    seen->named = named || !is_before_name(word);
    if (seen->script) {
        seen->script = seen->shell = seen->language = false; /* what follows are its arguments: data */
    } else if (seen->shell || seen->language) {
        seen_option(seen, word);
    } else if (is_shell(word)) {
        seen->shell = true;
    } else if (is_language(word)) {
        seen->language = true;
        seen->any = strcmp(base_name(word), "su") == 0;
    } else if (!named && evaluator(word)) {
        seen->evaluates = evaluator(word);
    }
}

/* ---- foreign placeholders ---- */

/** The length of a {1} that stands by itself, which {3} in a regular expression does not; 0: it is none. */
static size_t numbered(const char *text, const char *at)
{
    static const char apart[] = " \t\n\"'";
    size_t digits = strspn(at + 1, "0123456789");

    if (digits == 0 || at[1 + digits] != '}' || (at > text && !strchr(apart, at[-1])))
        return 0;
    return strchr(apart, at[2 + digits]) ? digits + 2 : 0; /* the end of the text is among them */
}

const char *shell_foreign_place(const char *text, size_t *len)
{
    static const char *const foreign[] = {"{.}", "{/}", "{//}", "{/.}", "{#}", "{%}", "{+/}", "{..}", "{...}"};

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
    }
    return NULL;
}
