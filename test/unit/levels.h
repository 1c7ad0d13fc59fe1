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

static inline void check_at_every_level(void (*tests)(void))
{
    for (size_t i = 0; i < CHECK_COUNT(levels); i++) {
        int   status = -1;
        pid_t child;

        fflush(NULL);
        child = fork();
        if (child == 0) {
            for (size_t k = 0; levels[i].denied[k]; k++)
                gcry_control(GCRYCTL_DISABLE_HWF, levels[i].denied[k], NULL);
            tests();
            if (levels[i].denied[0] && strcmp(levels[i].denied[0], "all") == 0)
                CHECK(!strchr(hf_kernels_name(), '(')); /* it was denied in time */
            fflush(NULL);
            _exit(check_state.failed ? 1 : check_state.passed ? 0 : 2);
        }
        waitpid(child, &status, 0);
        check_row(levels[i].name);
        CHECK_U64((uint64_t)status, 0);
        check_row(NULL);
    }
}

#endif
