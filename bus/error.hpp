// A failure on the host's side: a value with a message that a person can act on. Guest faults are not errors.
#pragma once

#include <string>
#include <tl/expected.hpp>
#include <utility>

namespace glassbox {

struct Error {
    std::string message; ///< what failed, on what, and what to do
};

template <class T = void> using Expected = tl::expected<T, Error>;

inline tl::unexpected<Error> fail(std::string message) { return tl::unexpected<Error>(Error{std::move(message)}); }

} // namespace glassbox
