// Bounds of doctor, test-mail and trace.
#pragma once

#include <cstddef>
#include <cstdint>

namespace mailroot::ctl {

inline constexpr int kNameLookupSeconds = 10;      // of one question
inline constexpr int kEgressPatienceSeconds = 10;  // for a connection, and for the greeting
inline constexpr size_t kEgressHostsMax = 10;      // hosts that doctor connects to
inline constexpr size_t kEgressAddressesMax = 4;   // of one host
inline constexpr size_t kDoctorNamesMax = 20;      // names that doctor asks DNS about

}  // namespace mailroot::ctl
