/* spec_rules.h: what single texts of the spec must look like. Each returns 0, or -1 with ERR_SPEC
 * that says what is allowed; the caller adds where it stood. */
#ifndef HFI_SPEC_RULES_H
#define HFI_SPEC_RULES_H

#include "err.h"
#include "str.h"

int spec_rule_api_version(struct str text, struct err *err);
int spec_rule_name(struct str text, struct err *err);
int spec_rule_target(struct str text, struct err *err);
int spec_rule_endpoint(struct str text, struct err *err);
int spec_rule_host(struct str text, struct err *err);
int spec_rule_token_file(struct str text, struct err *err);
int spec_rule_token_env(struct str text, struct err *err);
int spec_rule_revision(struct str text, struct err *err);
int spec_rule_ref_alias(struct str text, struct err *err);
int spec_rule_path(struct str text, struct err *err);
int spec_rule_file(struct str text, struct err *err);
int spec_rule_pattern(struct str text, struct err *err);
int spec_rule_push_url(struct str text, struct err *err);
int spec_rule_listen(struct str text, struct err *err);

#endif
