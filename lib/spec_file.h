/* spec_file.h: the spec file into the draft. */
#ifndef HFI_SPEC_FILE_H
#define HFI_SPEC_FILE_H

#include "spec_draft.h"

/* Finds the text (source->file_text, --spec, HF_INIT_SPEC, HF_INIT_SPEC_YAML, the default file if
 * it exists) and reads it. No file at all is fine: spec->file stays "". */
int spec_take_file(struct spec_draft *d);

#define SPEC_DEFAULT_FILE "/etc/hf-init/spec.yaml"

#endif
