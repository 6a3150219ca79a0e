/* SPDX-License-Identifier: Apache-2.0
 *
 * What the words of a command say of the words behind them: which of those are read as code, by a shell or by something
 * else. And what in a word looks like a placeholder or a source of another program. Pure.
 */
#ifndef BELT_SHELL_WORDS_H
#define BELT_SHELL_WORDS_H

#include <stdbool.h>
#include <stddef.h>

/** What a command does with its words. shell_programs.c has the commands. */
enum reads {
    READS_DATA,     /* nothing is known against it */
    READS_SHELL,    /* sh: the first word behind the options is a script when one of these is -c */
    READS_RUNNER,   /* flock, script, su: the word behind -c, and a shell reads it */
    READS_COMPUTED, /* a command whose name the shell computes: taken for a shell that has -c */
    READS_LANGUAGE, /* python: the word behind -c, -e and their like is a program */
    READS_FIRST,    /* awk, sed: the first word behind the options is a program, or the one behind -e */
    READS_ALL,      /* eval, watch: all words are one script */
    READS_REMOTE,   /* ssh: the same, of another host */
    READS_NAMES,    /* read, unset: names of variables, and bash evaluates what stands in their brackets */
    READS_DECLARE,  /* export, declare: names, too; behind = data, unless there is -i or -n */
    READS_TEST,     /* test, printf: the word behind -v is such a name */
    READS_MAKE,     /* make: expands $(shell …) in the values of variables */
    READS_WRAP      /* sbatch: --wrap */
};

/** Why a {} cannot stand where it stands. */
enum why {
    WHY_NOT, /* it can */
    WHY_SCRIPT,
    WHY_RUNNER,
    WHY_LANGUAGE,
    WHY_ALL,
    WHY_REMOTE,
    WHY_NAME,
    WHY_NUMBER,
    WHY_VARIABLE,
    WHY_MAKE
};

/** What the words of a simple command have shown so far. Zeroed at its beginning. */
struct seen {
    enum reads reads;
    unsigned values; /* so many words belong to the option before them */
    bool named;      /* the command's name was seen */
    bool optioned;   /* the word before was an option of a command that runs another one: is the next its value? */
    bool split;      /* the next word becomes several (env -S) */
    bool script;     /* the next word is a script */
    bool given;      /* FIRST: a program was given by an option */
    bool over;       /* what follows are arguments of a script: data */
    bool evaluates;  /* DECLARE: values are evaluated */
};

/** The next word. `word`: its letters without quotes, up to the first that the shell computes; `plain`: it has none of
 *  those. */
void seen_word(struct seen *seen, const char *word, bool plain);

/** Whether a {} can stand in the word that is being read, behind the letters `before`. */
enum why seen_check(const struct seen *seen, const char *before);

/** Two texts: where {} stands, and what to write instead. */
const char *why_text(enum why why, const char **instead);

/** What `word` is known to do with its words, as the name of a command. False: not known. */
bool program_reads(const char *word, enum reads *reads);

/** Commands that run the command in their words: nice, env. Also the words of the shell before a command. */
bool program_wraps(const char *word);

/** What of `text` looks like a placeholder that Belt does not have, such as {.} or {#}; its length in `*len`. NULL:
 * nothing.
 */
const char *shell_foreign_place(const char *text, size_t *len);

/** The same for a source of inputs in a line, such as ' ::: '. */
const char *shell_foreign_source(const char *text, size_t *len);

#endif
