/* SPDX-License-Identifier: Apache-2.0
 *
 * What is refused of a command line before anything runs. Pure. See command_check.h.
 */
#include "cli/command_check.h"
#include "cli/command_line.h"
#include "cli/functions.h"
#include "proto/shell_words.h"
#include "proto/text_cut.h"

#include <stdio.h>
#include <string.h>

/* Sources of inputs that GNU parallel has beside ':::'. */
static bool is_source(const char *word)
{
    return !strcmp(word, ":::") || !strcmp(word, "::::") || !strcmp(word, ":::+") || !strcmp(word, "::::+");
}

static bool check_sources(const char *const *words, uint32_t count, char *error)
{
    for (uint32_t i = 0; i < count; i++) {
        if (!is_source(words[i]))
            continue;
        text_print(error, BELT_CHECK_ERROR,
                   strcmp(words[i], ":::")
                       ? "'%s' is not a source of inputs: there is one ':::' with the inputs behind it, "
                         "--arg-file FILE, and standard input (which may have '%s' as an input)"
                       : "there is more than one '%s': the inputs stand behind the first; standard "
                         "input may have '%s' as an input",
                   words[i], words[i]);
        return false;
    }
    return true;
}

static bool is_blank(const char *text)
{
    return !text[strspn(text, " \t\n")];
}

static bool check_name(const char *name, char *error)
{
    if (functions_is_name(name))
        return true;
    text_print(error, BELT_CHECK_ERROR,
               *name ? "'%.*s' is no function's name: letters, digits, '.', '_' and '-', 128 at the most"
                     : "the name of the function is empty (an unset variable?)%.*s",
               TEXT_UP_TO(name, 100));
    return false;
}

/* {} or what looks like a placeholder of another program. */
static const char *find_place(const char *command, size_t *len)
{
    const char *found = strstr(command, "{}");

    if (!found || (found > command && found[-1] == '$'))
        return shell_foreign_place(command, len);
    *len = 2;
    return found;
}

bool program_check(const char *option, const char *command, char *error)
{
    const char *gets = !strcmp(option, "--filter") ? "as a line on its standard input"
                                                   : "on its standard input (the slot protocol, SLOTS.md)";
    const char *found;
    size_t len = 0;

    if (is_blank(command)) {
        text_print(error, BELT_CHECK_ERROR, "%s: the command is empty (an unset variable?)", option);
        return false;
    }
    found = find_place(command, &len);
    if (found) {
        text_print(error, BELT_CHECK_ERROR,
                   "%s: nothing replaces %.*s in its command, which runs once and gets each input %s; write "
                   "\"{\"\"%.*s\" to mean the characters themselves",
                   option, (int)len, found, gets, (int)len - 1, found + 1);
        return false;
    }
    found = shell_foreign_source(command, &len);
    if (!found)
        return true;
    text_print(error, BELT_CHECK_ERROR,
               "%s: %.*s in its command is no source of inputs: end the quotes before ':::', or write '%.*s' in it to "
               "mean the characters themselves",
               option, (int)len, found, (int)len, found);
    return false;
}

bool command_line_check(const struct options *options, char *error)
{
    const char *const *words = (const char *const *)options->rest;

    if (!check_sources((const char *const *)options->inputs, options->input_count, error) ||
        !check_sources(words, options->rest_count, error))
        return false;
    if (!options->dashes)
        return !options->word_count || check_name(options->words[0], error);
    if (options->rest_count && is_blank(words[0])) {
        text_print(error, BELT_CHECK_ERROR, "the command after '--' is empty (an unset variable?)");
        return false;
    }
    if (!command_check(words, options->rest_count, error))
        return false;
    if (options->colons && !command_has_place(words, options->rest_count)) {
        text_print(
            error, BELT_CHECK_ERROR,
            "the command has no {}, so that each input would be its standard input, and not an argument: write {} "
            "where the input is to stand, as in: -- %.*s {}; or give the inputs on standard input",
            TEXT_UP_TO(options->rest_count ? words[0] : "COMMAND", 100));
        return false;
    }
    return true;
}
