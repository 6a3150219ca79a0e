/* SPDX-License-Identifier: Apache-2.0
 *
 * Commands that read their words, or one of them, as code. Pure. See shell_words.h.
 *
 * The list cannot be complete: of a command that is not in it, nothing is known, and its words are taken for data.
 */
#include "proto/shell_words.h"

#include <string.h>

static const char *const shells[] = {"sh",    "bash", "dash", "ash",   "zsh",  "ksh",
                                     "ksh93", "mksh", "yash", "rbash", "lksh", "posh"};

/* Interpreters of another language; a shell whose quotes are other ones is like that. */
static const char *const languages[] = {
    "node",   "nodejs", "deno",  "bun",    "Rscript", "R",       "fish",   "csh",     "tcsh",    "osascript", "tclsh",
    "wish",   "expect", "julia", "octave", "gnuplot", "dc",      "pwsh",   "gdb",     "lldb",    "vi",        "vim",
    "nvim",   "ex",     "emacs", "psql",   "mysql",   "mariadb", "duckdb", "guile",   "clojure", "elixir",    "erl",
    "racket", "sbcl",   "ocaml", "groovy", "scala",   "ghc",     "swipl",  "mongosh",
};

/* Names with a version behind them. */
static const char *const language_stems[] = {"python", "pypy", "perl", "ruby", "lua", "php"};

static const struct program {
    const char *name;
    enum reads reads;
} programs[] = {
    {"flock", READS_RUNNER},    {"script", READS_RUNNER},
    {"su", READS_RUNNER},       {"runuser", READS_RUNNER},
    {"xterm", READS_RUNNER},    {"awk", READS_FIRST},
    {"gawk", READS_FIRST},      {"mawk", READS_FIRST},
    {"nawk", READS_FIRST},      {"original-awk", READS_FIRST},
    {"sed", READS_FIRST},       {"gsed", READS_FIRST},
    {"jq", READS_FIRST},        {"yq", READS_FIRST},
    {"eval", READS_ALL},        {"let", READS_ALL},
    {"trap", READS_ALL},        {"alias", READS_ALL},
    {"compgen", READS_ALL},     {"complete", READS_ALL},
    {"bind", READS_ALL},        {"fc", READS_ALL},
    {"watch", READS_ALL},       {"sg", READS_ALL},
    {"parallel", READS_ALL},    {"bsub", READS_ALL},
    {"sqlite3", READS_ALL},     {"tmux", READS_ALL},
    {"ssh", READS_REMOTE},      {"rsh", READS_REMOTE},
    {"pdsh", READS_REMOTE},     {"clush", READS_REMOTE},
    {"mosh", READS_REMOTE},     {"read", READS_NAMES},
    {"unset", READS_NAMES},     {"mapfile", READS_NAMES},
    {"readarray", READS_NAMES}, {"getopts", READS_NAMES},
    {"wait", READS_NAMES},      {"declare", READS_DECLARE},
    {"typeset", READS_DECLARE}, {"local", READS_DECLARE},
    {"export", READS_DECLARE},  {"readonly", READS_DECLARE},
    {"integer", READS_ALL},     {"test", READS_TEST},
    {"[", READS_TEST},          {"printf", READS_TEST},
    {"make", READS_MAKE},       {"gmake", READS_MAKE},
    {"sbatch", READS_WRAP},
};

static const char *const wrappers[] = {
    /* of the shell */
    "if", "then", "else", "elif", "while", "until", "do", "!", "{", "command", "builtin", "exec", "time", "coproc",
    /* programs */
    "env", "nohup", "nice", "sudo", "doas", "timeout", "stdbuf", "setsid", "chroot", "unshare", "nsenter", "taskset",
    "ionice", "chrt", "numactl", "strace", "ltrace", "xargs", "sshpass", "systemd-run", "unbuffer", "busybox", "toybox",
    "srun", "setpriv", "prlimit", "catchsegv", "firejail", "bwrap", "faketime", "valgrind", "perf"};

#define COUNT(list) (sizeof(list) / sizeof(*(list)))

static bool is_one_of(const char *word, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(word, list[i]) == 0)
            return true;
    return false;
}

static bool is_language(const char *name)
{
    for (size_t i = 0; i < COUNT(language_stems); i++)
        if (strncmp(name, language_stems[i], strlen(language_stems[i])) == 0)
            return true;
    return is_one_of(name, languages, COUNT(languages));
}

bool program_reads(const char *word, enum reads *reads)
{
    const char *slash = strrchr(word, '/'), *name = slash ? slash + 1 : word;

    if (is_one_of(name, shells, COUNT(shells))) {
        *reads = READS_SHELL;
        return true;
    }
    if (is_language(name)) {
        *reads = READS_LANGUAGE;
        return true;
    }
    if (slash && !(slash - word >= 3 && strncmp(slash - 3, "bin", 3) == 0))
        return false; /* a user's own, such as ./script */
    for (size_t i = 0; i < COUNT(programs); i++)
        if (strcmp(name, programs[i].name) == 0) {
            *reads = programs[i].reads;
            return true;
        }
    return false;
}

bool program_wraps(const char *word)
{
    const char *slash = strrchr(word, '/');

    return is_one_of(slash ? slash + 1 : word, wrappers, COUNT(wrappers));
}
