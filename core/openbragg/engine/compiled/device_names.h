// The names of devices, read as torch's wrapper around compiled code reads them, which takes regular expressions of the
// standard library to it: half of all the code of the wrapper, and half of the time that its compilation takes.
//
// What stands in for them has their interface, as far as it is used, and refuses to be compiled for another pattern. It
// is in std for torch's code names it so, see wrapper.h.

#ifndef OPENBRAGG_DEVICE_NAMES
#define OPENBRAGG_DEVICE_NAMES

#include <cstddef>
#include <string>
#include <string_view>

namespace std {

struct openbragg_device_pattern {
  consteval openbragg_device_pattern(const char* pattern) {
    if (std::string_view(pattern) != "(cpu|cuda|xpu|mps)(:([0-9]+))?") {
      throw "another pattern than that of the names of devices";
    }
  }
};

struct openbragg_device_part {
  std::string text;
  bool matched = false;

  std::string str() const {
    return text;
  }
};

// The whole name, its device, the colon with the number, and the number.
struct openbragg_device_name {
  openbragg_device_part parts[4];

  const openbragg_device_part& operator[](std::size_t place) const {
    return parts[place];
  }
};

inline bool openbragg_device_match(
    const std::string& text,
    openbragg_device_name& found,
    const openbragg_device_pattern&) {
  found = {};
  const std::size_t colon = text.find(':');
  const std::string device = text.substr(0, colon);
  if (device != "cpu" && device != "cuda" && device != "xpu" && device != "mps") {
    return false;
  }
  if (colon != std::string::npos) {
    const std::string number = text.substr(colon + 1);
    if (number.empty() || number.find_first_not_of("0123456789") != std::string::npos) {
      return false;
    }
    found.parts[2] = {text.substr(colon), true};
    found.parts[3] = {number, true};
  }
  found.parts[0] = {text, true};
  found.parts[1] = {device, true};
  return true;
}

} // namespace std

#endif
