/* SPDX-License-Identifier: Apache-2.0
 *
 * Completion scripts for bash, zsh and fish, made from the tables of options. Pure.
 */
#include "cli/completion.h"

#include "cli/commands.h"

#include <string.h>

static void words_of_commands(FILE *out)
{
    for (int i = 0; commands_all[i]; i++)
        fprintf(out, "%s%s", i ? " " : "", commands_all[i]->name);
}

static void words_of_options(const struct command *command, FILE *out)
{
    for (uint32_t i = 0; i < command->option_count; i++)
        fprintf(out, "%s--%s", i ? " " : "", command->options[i].name);
}

/* "--slots|-j" for each option whose argument is completed in this way. */
static bool patterns(const struct command *command, enum option_completion kind, FILE *out)
{
    bool any = false;

    for (uint32_t i = 0; i < command->option_count; i++) {
        const struct option_def *def = &command->options[i];
        if (!options_takes_argument(def) || def->preset || def->complete != kind)
            continue;
        fprintf(out, "%s--%s", any ? "|" : "", def->name);
        if (def->letter)
            fprintf(out, "|-%c", def->letter);
        any = true;
    }
    return any;
}

static void bash_command(const struct command *command, FILE *out)
{
    static const struct {
        enum option_completion kind;
        const char *answer;
    } kinds[] = {{COMPLETE_FILE, "COMPREPLY=($(compgen -f -- \"$cur\"))"},
                 {COMPLETE_COMMAND, "COMPREPLY=($(compgen -c -- \"$cur\"))"},
                 {COMPLETE_NONE, "COMPREPLY=()"}};

    fprintf(out, "    %s)\n        case $prev in\n", command->name);
    for (size_t i = 0; i < 3; i++) {
        fprintf(out, "        ");
        fprintf(out, patterns(command, kinds[i].kind, out) ? ") %s; return;;\n" : "@belt@none) %s; return;;\n",
                kinds[i].answer);
    }
    fprintf(out, "        esac\n        [[ $cur == -* ]] && COMPREPLY=($(compgen -W '");
    words_of_options(command, out);
    fprintf(out, "' -- \"$cur\"))\n");
    if (command->verbs)
        fprintf(out, "        ((COMP_CWORD == 2)) && [[ $cur != -* ]] && COMPREPLY=($(compgen -W '%s' -- \"$cur\"))\n",
                command->verbs);
    fprintf(out, "        ;;\n");
}

static void write_bash(FILE *out)
{
    fprintf(out,
            "# bash completion of belt; eval \"$(belt completion bash)\"\n_belt() {\n"
            "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} i\n    COMPREPLY=()\n"
            "    for ((i = 2; i < COMP_CWORD; i++)); do\n"
            "        [[ ${COMP_WORDS[i]} == -- ]] && { COMPREPLY=($(compgen -c -f -- \"$cur\")); return; }\n    done\n"
            "    if ((COMP_CWORD == 1)); then\n        COMPREPLY=($(compgen -W '");
    words_of_commands(out);
    fprintf(out, "' -- \"$cur\"))\n        return\n    fi\n    case ${COMP_WORDS[1]} in\n");
    for (int i = 0; commands_all[i]; i++)
        if (i != COMMAND_HELP)
            bash_command(commands_all[i], out);
    fprintf(out, "    help) COMPREPLY=($(compgen -W '");
    words_of_commands(out);
    fprintf(out, "' -- \"$cur\"));;\n    esac\n}\ncomplete -o default -F _belt belt\n");
}

/* Inside of single quotes; brackets and colons mean something to _arguments. */
static void quoted(const char *text, const char *special, FILE *out)
{
    for (; *text; text++) {
        if (*text == '\'')
            fputs("'\\''", out);
        else {
            if (strchr(special, *text))
                fputc('\\', out);
            fputc(*text, out);
        }
    }
}

static void zsh_option(const struct option_def *def, FILE *out)
{
    static const char *const actions[] = {
        [COMPLETE_NONE] = "", [COMPLETE_FILE] = "_files", [COMPLETE_COMMAND] = "_cmdstring"};

    for (int form = 0; form < (def->letter ? 2 : 1); form++) {
        if (form)
            fprintf(out, "            '-%c[", def->letter);
        else
            fprintf(out, "            '--%s%s[", def->name,
                    !options_takes_argument(def) ? ""
                    : def->preset                ? "=-"
                                                 : "=");
        quoted(def->help, "[]", out);
        fputc(']', out);
        if (options_takes_argument(def) && !(form && def->preset)) {
            fprintf(out, def->preset ? "::" : ":");
            quoted(def->arg, ":[]", out);
            fprintf(out, ":%s", actions[def->complete]);
        }
        fprintf(out, "' \\\n");
    }
}

/* A variable of the name `commands` would hide that of zsh, which holds all programs. */
static void write_zsh(FILE *out)
{
    fprintf(out, "#compdef belt\n_belt() {\n    local state\n    local -a subcommands\n    subcommands=(\n");
    for (int i = 0; commands_all[i]; i++) {
        fprintf(out, "        '%s:", commands_all[i]->name);
        quoted(commands_all[i]->summary, ":", out);
        fprintf(out, "'\n");
    }
    fprintf(out,
            "    )\n    if (( ${words[(I)--]} && ${words[(I)--]} < CURRENT )); then\n"
            "        (( CURRENT -= ${words[(I)--]} ))\n        shift ${words[(I)--]} words\n        _normal\n     "
            "   return\n"
            "    fi\n    if (( CURRENT == 2 )); then\n        _describe command subcommands\n        return\n    fi\n"
            "    local name=$words[2]\n    shift words\n    (( CURRENT-- ))\n    case $name in\n");
    for (int i = 0; commands_all[i]; i++) {
        fprintf(out, "        %s) _arguments -s \\\n", commands_all[i]->name);
        for (uint32_t j = 0; j < commands_all[i]->option_count; j++)
            zsh_option(&commands_all[i]->options[j], out);
        if (commands_all[i]->verbs)
            fprintf(out, "            '1:what:(%s)' '*:: :_default'", commands_all[i]->verbs);
        else
            fprintf(out, i == COMMAND_HELP ? "            '1:command:->subcommands' && return"
                                           : "            '*: :_default'");
        fprintf(out, " ;;\n");
    }
    fprintf(out, "    esac\n    [[ $state == subcommands ]] && _describe command subcommands\n}\n"
                 "if [[ $funcstack[1] == _belt ]]; then _belt \"$@\"; else compdef _belt belt; fi\n");
}

static void fish_quoted(const char *text, FILE *out)
{
    fputc('\'', out);
    for (; *text; text++)
        fprintf(out, *text == '\'' || *text == '\\' ? "\\%c" : "%c", *text);
    fputs("'\n", out);
}

static void fish_option(const char *command, const struct option_def *def, FILE *out)
{
    fprintf(out, "complete -c belt -n '__belt_is %s' -l %s", command, def->name);
    if (def->letter)
        fprintf(out, " -s %c", def->letter);
    if (options_takes_argument(def) && !def->preset)
        fprintf(out, def->complete == COMPLETE_FILE      ? " -r -F"
                     : def->complete == COMPLETE_COMMAND ? " -x -a '(__fish_complete_command)'"
                                                         : " -x");
    fprintf(out, " -d ");
    fish_quoted(def->help, out);
}

static void write_fish(FILE *out)
{
    fprintf(out, "# fish completion of belt; belt completion fish | source\n"
                 "function __belt_is\n    set -l words (commandline -opc)\n"
                 "    test (count $words) -ge 2; and test $words[2] = $argv[1]; and not contains -- -- $words\nend\n"
                 "function __belt_first\n    set -l words (commandline -opc)\n"
                 "    test (count $words) -eq 2; and test $words[2] = $argv[1]\nend\n"
                 "function __belt_command\n    set -l words (commandline -opc)\n    test $words[-1] = --\nend\n"
                 "complete -c belt -n 'test (count (commandline -opc)) -eq 1' -f\n"
                 "complete -c belt -n __belt_command -x -a '(__fish_complete_command)'\n");
    for (int i = 0; commands_all[i]; i++) {
        fprintf(out, "complete -c belt -n 'test (count (commandline -opc)) -eq 1' -a %s -d ", commands_all[i]->name);
        fish_quoted(commands_all[i]->summary, out);
        for (uint32_t j = 0; j < commands_all[i]->option_count; j++)
            fish_option(commands_all[i]->name, &commands_all[i]->options[j], out);
        if (commands_all[i]->verbs)
            fprintf(out, "complete -c belt -n '__belt_first %s' -f -a '%s'\n", commands_all[i]->name,
                    commands_all[i]->verbs);
    }
    fprintf(out, "complete -c belt -n '__belt_first help' -f -a '");
    words_of_commands(out);
    fprintf(out, "'\n");
}

int completion_write(const char *shell, FILE *out)
{
    if (!strcmp(shell, "bash"))
        write_bash(out);
    else if (!strcmp(shell, "zsh"))
        write_zsh(out);
    else if (!strcmp(shell, "fish"))
        write_fish(out);
    else
        return -1;
    return 0;
}
