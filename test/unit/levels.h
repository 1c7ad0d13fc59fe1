/* levels.h: runs tests once for every kind of code that libgcrypt may choose, each time in a child
 * that first denies it instructions which this processor has. With CRYPTO=stock, or where the
 * processor lacks them, several levels are the same. */
#ifndef HFI_LEVELS_H
#define HFI_LEVELS_H

#include <gcrypt.h>
#include <kernels.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

static const struct {
    const char *name;
    const char *denied[8]; /* features by libgcrypt's names; it refuses those of other processors */
} levels[] = {
    {"all there is", {NULL}},
    {"without AVX-512", {"intel-avx512"}},
    {"without AVX-512, VAES", {"intel-avx512", "intel-vaes-vpclmul"}},
    {"without SHA instructions", {"intel-shaext", "arm-sha1", "arm-sha2"}},
    {"without SHA, BMI2", {"intel-shaext", "intel-bmi2", "intel-avx2", "arm-sha1", "arm-sha2"}},
    {"without AES instructions", {"intel-aesni", "intel-vaes-vpclmul", "arm-aes"}},
    {"without carry-less multiplication", {"intel-pclmul", "intel-vaes-vpclmul", "arm-pmull"}},
    {"portable code", {"all"}},
};

static inline void check_level(const char *name, const char *const *denied, void (*tests)(void))
{
    int   status = -1;
    pid_t child;

    fflush(NULL);
    child = fork();
    if (child == 0) {
        check_state.passed = check_state.failed = 0;
        for (; denied && *denied; denied++) {
            gcry_control(GCRYCTL_DISABLE_HWF, *denied, NULL);
            if (strcmp(*denied, "all") == 0)
                CHECK(!strchr(hf_kernels_name(), '(')); /* it was denied in time */
        }
        tests();
        fflush(NULL);
        _exit(check_state.failed ? 1 : check_state.passed ? 0 : 2);
    }
    waitpid(child, &status, 0);
    check_row(name);
    CHECK_U64((uint64_t)status, 0);
    check_row(NULL);
}

static inline void check_at_every_level(void (*tests)(void))
{
    for (size_t i = 0; i < CHECK_COUNT(levels); i++)
        check_level(levels[i].name, levels[i].denied, tests);
}

/* In a process of its own, where nothing was asked of libgcrypt yet. */
static inline void check_in_child(const char *name, void (*tests)(void))
{
    check_level(name, NULL, tests);
}

#endif
