// Conversions of numbers from vector to vector without a detour through memory.
//
// Where torch has none for a pair of types, its code writes the numbers to the stack one by one, and reads a vector back.
// A compiler that is tuned for a processor may keep them in registers, or write halves of the vector. No processor hands
// on parts that were written as a whole that is read: it waits until the parts are in its cache. What comes out here
// is bit for bit the same.
//
// Each is a partial specialisation, so that one of torch's own, which leaves nothing open, comes before it.

#ifndef OPENBRAGG_CONVERSIONS
#define OPENBRAGG_CONVERSIONS

#if !defined(_MSC_VER) && (defined(CPU_CAPABILITY_AVX512) || defined(CPU_CAPABILITY_AVX2))

#if defined(CPU_CAPABILITY_AVX512) && defined(__GNUC__) && !defined(__clang__)
// GCC takes half a vector for what it makes of several numbers by itself, as of those looked up in a table, where it is
// tuned for processors of Intel; these are read back whole too.
#pragma GCC target("prefer-vector-width=512")
#endif

namespace at::vec {
inline namespace CPU_CAPABILITY {
namespace openbragg {

#if defined(CPU_CAPABILITY_AVX512)

inline __m512 to_single(__m512d low, __m512d high) {
  return _mm512_insertf32x8(_mm512_castps256_ps512(_mm512_cvtpd_ps(low)), _mm512_cvtpd_ps(high), 1);
}

inline __m512i to_int32(__m512d low, __m512d high) {
  return _mm512_inserti32x8(_mm512_castsi256_si512(_mm512_cvttpd_epi32(low)), _mm512_cvttpd_epi32(high), 1);
}

inline __m512i to_int64(__m512d whole) {
  return _mm512_cvttpd_epi64(whole);
}

inline __m512d from_int64(__m512i whole) {
  return _mm512_cvtepi64_pd(whole);
}

// Of the numbers in a vector.
inline __m512d first_half(__m512 whole) {
  return _mm512_cvtps_pd(_mm512_castps512_ps256(whole));
}

inline __m512d second_half(__m512 whole) {
  return _mm512_cvtps_pd(_mm512_extractf32x8_ps(whole, 1));
}

inline __m512d first_half(__m512i whole) {
  return _mm512_cvtepi32_pd(_mm512_castsi512_si256(whole));
}

inline __m512d second_half(__m512i whole) {
  return _mm512_cvtepi32_pd(_mm512_extracti32x8_epi32(whole, 1));
}

#else

inline __m256 to_single(__m256d low, __m256d high) {
  return _mm256_insertf128_ps(_mm256_castps128_ps256(_mm256_cvtpd_ps(low)), _mm256_cvtpd_ps(high), 1);
}

inline __m256i to_int32(__m256d low, __m256d high) {
  return _mm256_inserti128_si256(_mm256_castsi128_si256(_mm256_cvttpd_epi32(low)), _mm256_cvttpd_epi32(high), 1);
}

// Of 64-bit integers there are but instructions for one number.
inline __m256i to_int64(__m256d whole) {
  const __m128d low = _mm256_castpd256_pd128(whole);
  const __m128d high = _mm256_extractf128_pd(whole, 1);
  return _mm256_set_epi64x(
      _mm_cvttsd_si64(_mm_unpackhi_pd(high, high)),
      _mm_cvttsd_si64(high),
      _mm_cvttsd_si64(_mm_unpackhi_pd(low, low)),
      _mm_cvttsd_si64(low));
}

inline __m256d from_int64(__m256i whole) {
  const __m128i low = _mm256_castsi256_si128(whole);
  const __m128i high = _mm256_extracti128_si256(whole, 1);
  return _mm256_set_pd(
      static_cast<double>(_mm_extract_epi64(high, 1)),
      static_cast<double>(_mm_cvtsi128_si64(high)),
      static_cast<double>(_mm_extract_epi64(low, 1)),
      static_cast<double>(_mm_cvtsi128_si64(low)));
}

// Of the numbers in a vector.
inline __m256d first_half(__m256 whole) {
  return _mm256_cvtps_pd(_mm256_castps256_ps128(whole));
}

inline __m256d second_half(__m256 whole) {
  return _mm256_cvtps_pd(_mm256_extractf128_ps(whole, 1));
}

inline __m256d first_half(__m256i whole) {
  return _mm256_cvtepi32_pd(_mm256_castsi256_si128(whole));
}

inline __m256d second_half(__m256i whole) {
  return _mm256_cvtepi32_pd(_mm256_extracti128_si256(whole, 1));
}

#endif

} // namespace openbragg

template <typename Enabled>
struct VecConvert<float, 1, double, 2, Enabled> {
  static inline VectorizedN<float, 1> apply(const VectorizedN<double, 2>& src) {
    return Vectorized<float>(openbragg::to_single(src[0], src[1]));
  }
};

template <typename Enabled>
struct VecConvert<double, 2, float, 1, Enabled> {
  static inline VectorizedN<double, 2> apply(const VectorizedN<float, 1>& src) {
    VectorizedN<double, 2> result;
    result[0] = openbragg::first_half(src[0]);
    result[1] = openbragg::second_half(src[0]);
    return result;
  }
};

template <typename Enabled>
struct VecConvert<int32_t, 1, double, 2, Enabled> {
  static inline VectorizedN<int32_t, 1> apply(const VectorizedN<double, 2>& src) {
    return Vectorized<int32_t>(openbragg::to_int32(src[0], src[1]));
  }
};

template <typename Enabled>
struct VecConvert<double, 2, int32_t, 1, Enabled> {
  static inline VectorizedN<double, 2> apply(const VectorizedN<int32_t, 1>& src) {
    VectorizedN<double, 2> result;
    result[0] = openbragg::first_half(src[0]);
    result[1] = openbragg::second_half(src[0]);
    return result;
  }
};

template <int n, typename Enabled>
struct VecConvert<int64_t, n, double, n, Enabled> {
  static inline VectorizedN<int64_t, n> apply(const VectorizedN<double, n>& src) {
    VectorizedN<int64_t, n> result;
    for (int i = 0; i < n; ++i) {
      result[i] = openbragg::to_int64(src[i]);
    }
    return result;
  }
};

template <int n, typename Enabled>
struct VecConvert<double, n, int64_t, n, Enabled> {
  static inline VectorizedN<double, n> apply(const VectorizedN<int64_t, n>& src) {
    VectorizedN<double, n> result;
    for (int i = 0; i < n; ++i) {
      result[i] = openbragg::from_int64(src[i]);
    }
    return result;
  }
};

} // namespace CPU_CAPABILITY
} // namespace at::vec

#endif
#endif
