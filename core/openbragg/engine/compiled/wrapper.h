// What torch's wrapper around compiled code includes, with names of devices read in a way that takes less to compile.

#include "device_names.h"

// The library's own header comes first: only what torch's headers make of it is renamed.
#include <regex>

#define regex openbragg_device_pattern
#define smatch openbragg_device_name
#define regex_match openbragg_device_match
#include <torch/csrc/inductor/aoti_include/cpu.h>
#undef regex
#undef smatch
#undef regex_match
