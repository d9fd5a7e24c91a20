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

#if !defined(_MSC_VER) && defined(CPU_CAPABILITY_AVX512)

#if defined(__GNUC__) && !defined(__clang__)
// GCC takes half a vector for what it makes of several numbers by itself, as of those looked up in a table, where it is
// tuned for processors of Intel; these are read back whole too.
#pragma GCC target("prefer-vector-width=512")
#endif

namespace at::vec {
inline namespace CPU_CAPABILITY {

template <typename Enabled>
struct VecConvert<float, 1, double, 2, Enabled> {
  static inline VectorizedN<float, 1> apply(const VectorizedN<double, 2>& src) {
    const __m256 low = _mm512_cvtpd_ps(src[0]);
    const __m256 high = _mm512_cvtpd_ps(src[1]);
    return Vectorized<float>(_mm512_insertf32x8(_mm512_castps256_ps512(low), high, 1));
  }
};

template <typename Enabled>
struct VecConvert<double, 2, float, 1, Enabled> {
  static inline VectorizedN<double, 2> apply(const VectorizedN<float, 1>& src) {
    const __m512 whole = src[0];
    VectorizedN<double, 2> result;
    result[0] = _mm512_cvtps_pd(_mm512_castps512_ps256(whole));
    result[1] = _mm512_cvtps_pd(_mm512_extractf32x8_ps(whole, 1));
    return result;
  }
};

template <typename Enabled>
struct VecConvert<int32_t, 1, double, 2, Enabled> {
  static inline VectorizedN<int32_t, 1> apply(const VectorizedN<double, 2>& src) {
    const __m256i low = _mm512_cvttpd_epi32(src[0]);
    const __m256i high = _mm512_cvttpd_epi32(src[1]);
    return Vectorized<int32_t>(_mm512_inserti32x8(_mm512_castsi256_si512(low), high, 1));
  }
};

template <typename Enabled>
struct VecConvert<double, 2, int32_t, 1, Enabled> {
  static inline VectorizedN<double, 2> apply(const VectorizedN<int32_t, 1>& src) {
    const __m512i whole = src[0];
    VectorizedN<double, 2> result;
    result[0] = _mm512_cvtepi32_pd(_mm512_castsi512_si256(whole));
    result[1] = _mm512_cvtepi32_pd(_mm512_extracti32x8_epi32(whole, 1));
    return result;
  }
};

template <int n, typename Enabled>
struct VecConvert<int64_t, n, double, n, Enabled> {
  static inline VectorizedN<int64_t, n> apply(const VectorizedN<double, n>& src) {
    VectorizedN<int64_t, n> result;
    for (int i = 0; i < n; ++i) {
      result[i] = _mm512_cvttpd_epi64(src[i]);
    }
    return result;
  }
};

template <int n, typename Enabled>
struct VecConvert<double, n, int64_t, n, Enabled> {
  static inline VectorizedN<double, n> apply(const VectorizedN<int64_t, n>& src) {
    VectorizedN<double, n> result;
    for (int i = 0; i < n; ++i) {
      result[i] = _mm512_cvtepi64_pd(src[i]);
    }
    return result;
  }
};

} // namespace CPU_CAPABILITY
} // namespace at::vec

#elif !defined(_MSC_VER) && defined(CPU_CAPABILITY_AVX2)

namespace at::vec {
inline namespace CPU_CAPABILITY {

template <typename Enabled>
struct VecConvert<float, 1, double, 2, Enabled> {
  static inline VectorizedN<float, 1> apply(const VectorizedN<double, 2>& src) {
    const __m128 low = _mm256_cvtpd_ps(src[0]);
    const __m128 high = _mm256_cvtpd_ps(src[1]);
    return Vectorized<float>(_mm256_insertf128_ps(_mm256_castps128_ps256(low), high, 1));
  }
};

template <typename Enabled>
struct VecConvert<double, 2, float, 1, Enabled> {
  static inline VectorizedN<double, 2> apply(const VectorizedN<float, 1>& src) {
    const __m256 whole = src[0];
    VectorizedN<double, 2> result;
    result[0] = _mm256_cvtps_pd(_mm256_castps256_ps128(whole));
    result[1] = _mm256_cvtps_pd(_mm256_extractf128_ps(whole, 1));
    return result;
  }
};

template <typename Enabled>
struct VecConvert<int32_t, 1, double, 2, Enabled> {
  static inline VectorizedN<int32_t, 1> apply(const VectorizedN<double, 2>& src) {
    const __m128i low = _mm256_cvttpd_epi32(src[0]);
    const __m128i high = _mm256_cvttpd_epi32(src[1]);
    return Vectorized<int32_t>(_mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1));
  }
};

template <typename Enabled>
struct VecConvert<double, 2, int32_t, 1, Enabled> {
  static inline VectorizedN<double, 2> apply(const VectorizedN<int32_t, 1>& src) {
    const __m256i whole = src[0];
    VectorizedN<double, 2> result;
    result[0] = _mm256_cvtepi32_pd(_mm256_castsi256_si128(whole));
    result[1] = _mm256_cvtepi32_pd(_mm256_extracti128_si256(whole, 1));
    return result;
  }
};

// Of 64-bit integers there are but instructions for one number.
template <int n, typename Enabled>
struct VecConvert<int64_t, n, double, n, Enabled> {
  static inline VectorizedN<int64_t, n> apply(const VectorizedN<double, n>& src) {
    VectorizedN<int64_t, n> result;
    for (int i = 0; i < n; ++i) {
      const __m256d whole = src[i];
      const __m128d low = _mm256_castpd256_pd128(whole);
      const __m128d high = _mm256_extractf128_pd(whole, 1);
      result[i] = _mm256_set_epi64x(
          _mm_cvttsd_si64(_mm_unpackhi_pd(high, high)),
          _mm_cvttsd_si64(high),
          _mm_cvttsd_si64(_mm_unpackhi_pd(low, low)),
          _mm_cvttsd_si64(low));
    }
    return result;
  }
};

template <int n, typename Enabled>
struct VecConvert<double, n, int64_t, n, Enabled> {
  static inline VectorizedN<double, n> apply(const VectorizedN<int64_t, n>& src) {
    VectorizedN<double, n> result;
    for (int i = 0; i < n; ++i) {
      const __m256i whole = src[i];
      const __m128i low = _mm256_castsi256_si128(whole);
      const __m128i high = _mm256_extracti128_si256(whole, 1);
      result[i] = _mm256_set_pd(
          static_cast<double>(_mm_extract_epi64(high, 1)),
          static_cast<double>(_mm_cvtsi128_si64(high)),
          static_cast<double>(_mm_extract_epi64(low, 1)),
          static_cast<double>(_mm_cvtsi128_si64(low)));
    }
    return result;
  }
};

} // namespace CPU_CAPABILITY
} // namespace at::vec

#endif
#endif
