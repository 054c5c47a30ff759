// Names that JavaScript knows too. What is declared by these macros is exported as text, and src/addon.ts refuses an
// addon whose names differ from its own. For kernels too, so that nothing is included here.
#pragma once

#define ZTT_TEXT_OF(...) #__VA_ARGS__
#define ZTT_TEXT(...) ZTT_TEXT_OF(__VA_ARGS__)

// An enumeration, and its names in order as kNAMENames.
#define ZTT_ENUM(NAME, ...)                 \
  enum class NAME : int { __VA_ARGS__, count }; \
  constexpr const char* k##NAME##Names = ZTT_TEXT(__VA_ARGS__)

// The arguments of a function for JavaScript: FUNCTION::x is the place of its argument x.
#define ZTT_ARGUMENTS(FUNCTION, ...)                                \
  struct FUNCTION {                                                 \
    enum Place : int { __VA_ARGS__, kCount };                       \
    static constexpr const char* kName = #FUNCTION;                 \
    static constexpr const char* kArguments = ZTT_TEXT(__VA_ARGS__); \
  }

#define ZTT_NO_ARGUMENTS(FUNCTION)                  \
  struct FUNCTION {                                 \
    static constexpr int kCount = 0;                \
    static constexpr const char* kName = #FUNCTION; \
    static constexpr const char* kArguments = "";   \
  }
