/* test_secret.c: what a server repeats of a secret is not repeated by us. */
#include "check.h"
#include "secret.h"

static const struct {
    const char *name, *secret, *text, *want;
} rows[] = {
    {"all of it", "sEcReT0123456789", "bad sEcReT0123456789!", "bad ****************!"},
    {"twice", "sEcReT01", "sEcReT01sEcReT01", "****************"},
    {"cut off at the end", "sEcReT0123456789", "bad sEcReT0123", "bad **********"},
    {"cut off, and words behind", "sEcReT0123456789", "(\"bad sEcReT01...\")",
     "(\"bad ********...\")"},
    {"a false start", "aaaaaaaab", "aaaaaaaaaab", "********aab"},
    {"seven characters could be a word", "sEcReT0123456789", "bad sEcReT0", "bad sEcReT0"},
    {"so could a whole secret", "public", "it is public", "it is public"},
    {"nothing", "", "it is public", "it is public"},
    {"no text", "sEcReT0123456789", "", ""},
};

static void what_may_be_shown_tells_the_kind_alone(void)
{
    static const struct {
        const char *secret, *want;
    } forms[] = {{"", ""},
                 {"hf_aBcDeFgHiJkL", "hf_…redacted"},
                 {"hf", "…redacted"},
                 {"s3cr3t", "…redacted"}};

    for (size_t i = 0; i < CHECK_COUNT(forms); i++) {
        struct secret secret = {0};

        check_row(forms[i].secret);
        secret_set(&secret, str_from(forms[i].secret));
        CHECK_STR(secret_form(&secret), forms[i].want);
        secret_release(&secret);
    }
}

static void a_token_is_told_by_its_form(void)
{
    static const struct {
        const char *text;
        bool        may_be;
    } texts[] = {{"hf_aBcDeFgHiJkLmNoP", true},
                 {"see hf_home, hf_aBcDeFgHiJkLmNoP!", true},
                 {"hf_oauth_eyJhbGciOiJFZERTQSJ9.eyJz-b3_", true},
                 {"x/hf_jwt_eyJhbGciOiJFZERTQSJ9.e30", true},
                 {"hf_aBcDeFgHiJkLmNo", false},
                 {"hf_oauth_eyJhbGciOiJFZ", false},
                 {"hf_oauth_", false},
                 {"hf_internal_testing_of_names", false},
                 {"hf_", false},
                 {"", false}};

    for (size_t i = 0; i < CHECK_COUNT(texts); i++) {
        check_row(texts[i].text);
        CHECK(secret_may_be_in(str_from(texts[i].text)) == texts[i].may_be);
    }
}

int main(void)
{
    char text[64];

    for (size_t i = 0; i < CHECK_COUNT(rows); i++) {
        struct secret secret = {0};

        check_row(rows[i].name);
        secret_set(&secret, str_from(rows[i].secret));
        snprintf(text, sizeof(text), "%s", rows[i].text);
        secret_scrub(&secret, text);
        CHECK_STR(text, rows[i].want);
        secret_release(&secret);
    }
    what_may_be_shown_tells_the_kind_alone();
    a_token_is_told_by_its_form();
    check_row(NULL);
    return check_end("test_secret");
}
