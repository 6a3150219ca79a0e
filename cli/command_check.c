/* SPDX-License-Identifier: Apache-2.0
 *
 * What is refused of a command line before anything runs. Pure. See command_check.h.
 */
#include "command_check.h"
#include "command_line.h"
#include "../proto/text_cut.h"

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
        snprintf(error, BELT_CHECK_ERROR,
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

bool command_line_check(const struct options *options, char *error)
{
    const char *const *words = (const char *const *)options->rest;

    if (!check_sources((const char *const *)options->inputs, options->input_count, error) ||
        !check_sources(words, options->rest_count, error))
        return false;
    if (!options->dashes)
        return true;
    if (!command_check(words, options->rest_count, error))
        return false;
    if (options->colons && !command_has_place(words, options->rest_count)) {
        snprintf(error, BELT_CHECK_ERROR,
                 "the command has no {}, so that each input would be its standard input, and not an argument: write {} "
                 "where the input is to stand, as in: -- %.*s {}; or give the inputs on standard input",
                 TEXT_UP_TO(options->rest_count ? words[0] : "COMMAND", 100));
        return false;
    }
    return true;
}
