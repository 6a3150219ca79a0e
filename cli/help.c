/* SPDX-License-Identifier: Apache-2.0
 *
 * Help texts, made from the tables of options and exit codes. Pure.
 */
#include "cli/help.h"

#include "cli/exit.h"

#include <string.h>

#define WIDTH         96
#define OPTION_INDENT 28

/* Writes `text` in lines of WIDTH, the first of which begins at column `at`. */
static void wrap(FILE *out, const char *text, int indent, int at)
{
    int gap = 0;

    while (*text) {
        int len = (int)strcspn(text, " \n");
        if (at + gap + len > WIDTH && at > indent) {
            fprintf(out, "\n%*s", indent, "");
            at = indent;
            gap = 0;
        }
        fprintf(out, "%*s%.*s", gap, "", len, text);
        at += gap + len;
        text += len;
        gap = *text == ' ';
        if (*text == '\n') {
            fprintf(out, "\n\n%*s", indent, "");
            at = indent;
        }
        text += *text != '\0';
    }
    fputc('\n', out);
}

static void help_option(const struct option_def *def, FILE *out)
{
    char left[96], letter[8] = "    ";
    int len, hidden = 0;

    if (def->letter)
        snprintf(letter, sizeof(letter), "-%c, ", def->letter);
    len = snprintf(left, sizeof(left), "  %s--%s%s%s%s", letter, def->name,
                   !options_takes_argument(def) ? ""
                   : def->preset                ? "[="
                                                : " ",
                   options_takes_argument(def) ? def->arg : "", options_takes_argument(def) && def->preset ? "]" : "");
    for (const char *at = left; *at; at++)
        hidden += (*at & 0xc0) == 0x80; /* all bytes of a character but its first */
    if (len - hidden >= OPTION_INDENT - 1)
        fprintf(out, "%s\n%*s", left, OPTION_INDENT, "");
    else
        fprintf(out, "%-*s", OPTION_INDENT + hidden, left);
    wrap(out, def->help, OPTION_INDENT, OPTION_INDENT);
}

static void help_exits(FILE *out)
{
#define BELT_EXIT_LINE(name, number, text) fprintf(out, "  %3d  %s\n", number, text);
    fprintf(out, "\nExit codes:\n");
    BELT_EXITS(BELT_EXIT_LINE)
#undef BELT_EXIT_LINE
}

void help_program(FILE *out)
{
    fprintf(out, "usage: belt COMMAND [OPTIONS]\n\nA distributed process pool with streaming results.\n\nCommands:\n");
    for (int i = 0; commands_all[i]; i++)
        fprintf(out, "  %-12s%s\n", commands_all[i]->name, commands_all[i]->summary);
    fprintf(out, "\n'belt help COMMAND' shows its options. Each option can also be set in the environment and in a\n"
                 "configuration file: see belt.conf(5).\n");
    fprintf(out, "\n  seq 1 10 | belt map -j4 -- ./analyze {}\n");
    help_exits(out);
}

/* Where else options are read from, with an example that is one, and those that are read from nowhere else. */
static void help_settings(const struct command *command, FILE *out)
{
    const struct option_def *example = NULL;
    char name[128];

    for (uint32_t i = 0; i < command->option_count && !example; i++)
        if (command->options[i].scope != OPTION_FLAG_ONLY)
            example = &command->options[i];
    if (!example)
        return;
    fprintf(out,
            "\nAn option is also an environment variable (--%s: %s) and a key in section [%s]\nof the configuration "
            "file; a flag wins over the environment, the environment over the file.\nOn the command line only:",
            example->name, options_env_name(command->name, example->name, name), command->name);
    for (uint32_t i = 0, at = 26; i < command->option_count; i++) {
        uint32_t len = (uint32_t)strlen(command->options[i].name) + 3;
        if (command->options[i].scope != OPTION_FLAG_ONLY)
            continue;
        if (at + len > WIDTH) {
            fputs("\n ", out);
            at = 1;
        }
        fprintf(out, " --%s", command->options[i].name);
        at += len;
    }
    fputs(".\n", out);
}

void help_command(const struct command *command, FILE *out)
{
    fprintf(out, "usage: belt %s %s\n\n%s\n", command->name, command->usage, command->summary);
    if (command->details) {
        fputc('\n', out);
        wrap(out, command->details, 0, 0);
    }
    fprintf(out, "\nOptions:\n");
    for (uint32_t i = 0; i < command->option_count; i++)
        help_option(&command->options[i], out);
    help_settings(command, out);
    help_exits(out);
}
