/* SPDX-License-Identifier: Apache-2.0
 *
 * How much memory there is, from small trees of files that look like /proc and /sys.
 */
#include "local/memory.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define GIB (1024ull * 1024 * 1024)

static char root[64];

static void start(void)
{
    strcpy(root, "/tmp/belt_memory_XXXXXX");
    cr_assert_not_null(mkdtemp(root));
}

static void stop(void)
{
    char command[128];

    snprintf(command, sizeof(command), "rm -r '%s'", root);
    cr_assert_eq(system(command), 0);
}

TestSuite(memory, .init = start, .fini = stop);

/* A file with its directories. */
static void put(const char *path, const char *text)
{
    char full[512];
    FILE *file;

    snprintf(full, sizeof(full), "%s%s", root, path);
    for (char *at = full + strlen(root) + 1; (at = strchr(at, '/')); at++) {
        *at = '\0';
        mkdir(full, 0755);
        *at = '/';
    }
    file = fopen(full, "w");
    cr_assert_not_null(file);
    fputs(text, file);
    fclose(file);
}

static void put_machine(void)
{
    put("/proc/meminfo", "MemTotal:        8388608 kB\nMemFree:          100000 kB\n");
}

#define MOUNT_1 "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory\n"
#define MOUNT_2 "41 31 0:38 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"

Test(memory, of_the_machine_where_nothing_limits_it)
{
    put_machine();
    cr_assert_eq(local_memory(root), 8 * GIB);
    put("/proc/self/mountinfo", "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n"
                                "32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n" MOUNT_2);
    put("/proc/self/cgroup", "1:cpu:/there\n0::/here\n");
    put("/sys/fs/cgroup/here/memory.max", "max\n");
    put("/sys/fs/cgroup/cpu/there/memory.limit_in_bytes", "4096\n");
    cr_assert_eq(local_memory(root), 8 * GIB);
}

Test(memory, a_group_of_version_2_limits_it_and_so_does_one_above)
{
    put_machine();
    put("/proc/self/mountinfo", MOUNT_2);
    put("/proc/self/cgroup", "0::/user.slice/one.scope\n");
    put("/sys/fs/cgroup/user.slice/one.scope/memory.max", "2147483648\n");
    cr_assert_eq(local_memory(root), 2 * GIB);
    put("/sys/fs/cgroup/user.slice/memory.max", "1073741824\n");
    cr_assert_eq(local_memory(root), GIB);
    put("/sys/fs/cgroup/memory.max", "536870912\n"); /* as within a container */
    cr_assert_eq(local_memory(root), GIB / 2);
}

Test(memory, a_group_of_version_1_limits_it_and_so_does_one_above)
{
    put_machine();
    put("/proc/self/mountinfo", MOUNT_1);
    put("/proc/self/cgroup", "5:cpu,cpuacct:/a\n4:hugetlb,memory:/a/b\n1:name=systemd:/c\n");
    put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    cr_assert_eq(local_memory(root), 8 * GIB);
    put("/sys/fs/cgroup/memory/a/b/memory.limit_in_bytes", "2147483648\n");
    cr_assert_eq(local_memory(root), 2 * GIB);
    put("/sys/fs/cgroup/memory/a/memory.limit_in_bytes", "1073741824\n");
    cr_assert_eq(local_memory(root), GIB);
}

/* Without a name space of their own the groups have the paths of the host, and only one of them is mounted. */
Test(memory, a_container_sees_its_own_group_as_the_root)
{
    put_machine();
    put("/proc/self/mountinfo", "35 31 0:32 /docker/1f /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n");
    put("/proc/self/cgroup", "4:memory:/docker/1f\n");
    put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "1073741824\n");
    cr_assert_eq(local_memory(root), GIB);
    put("/proc/self/cgroup", "4:memory:/docker/1f/inner\n");
    put("/sys/fs/cgroup/memory/inner/memory.limit_in_bytes", "536870912\n");
    cr_assert_eq(local_memory(root), GIB / 2);
    put("/proc/self/cgroup", "4:memory:/docker/1ff\n"); /* of a neighbour */
    cr_assert_eq(local_memory(root), GIB);
}

Test(memory, what_cannot_be_read_is_not_guessed)
{
    cr_assert_eq(local_memory(root), 0);
    put_machine();
    put("/proc/self/mountinfo", "nonsense\n - \n1 - cgroup2\n" MOUNT_2);
    put("/proc/self/cgroup", "nonsense\n0:\n");
    cr_assert_eq(local_memory(root), 8 * GIB);
}
