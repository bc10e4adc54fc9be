/* Keeps Orthanc's ports on their addresses.
 *
 * Orthanc binds its DICOM port, and before 1.12.10 its HTTP port too, to every interface and knows
 * no setting for it. Preloaded (ld.so(8), LD_PRELOAD), this bind() puts NODE_BIND_ADDRESS, an IPv4
 * address, where the process asks for "any" address. It never widens: a named address stays, and
 * where the variable makes no sense, nothing is bound that asks for any address.
 *
 * No header is included: tcc then compiles it on a machine without libc6-dev. The layouts below
 * are the kernel's (ip(7), ipv6(7)).
 */
enum { FAMILY_IPV4 = 2, FAMILY_IPV6 = 10, LONGEST = 128, NOT_AVAILABLE = 99, FAILED = -1 };
enum { IPV4_AT = 4, IPV4_LENGTH = 4, IPV6_AT = 8, IPV6_LENGTH = 16, MAPPED_AT = 20 };
#define NEXT ((void *)-1L)

typedef int binder(int, const void *, unsigned);

extern char *getenv(const char *);
extern int inet_pton(int, const char *, void *);
extern void *dlsym(void *, const char *);
extern int *__errno_location(void);

static int is_any(const unsigned char *address, int length)
{
    while (length > 0 && address[length - 1] == 0)
        length--;
    return length == 0;
}

static int is_any_mapped(const unsigned char *address) /* ::ffff:0.0.0.0 */
{
    return is_any(address, IPV6_LENGTH - IPV4_LENGTH - 2) && address[10] == 0xff
           && address[11] == 0xff && is_any(address + 12, IPV4_LENGTH);
}

int bind(int handle, const void *address, unsigned length)
{
    binder *next = (binder *)dlsym(NEXT, "bind");
    const unsigned char *given = address;
    const char *wanted;
    unsigned char kept[LONGEST];
    unsigned family, i;

    if (length < MAPPED_AT - IPV4_LENGTH || length > LONGEST)
        return next(handle, address, length);
    wanted = getenv("NODE_BIND_ADDRESS");
    if (!wanted)
        return next(handle, address, length);
    for (i = 0; i < length; i++)
        kept[i] = given[i];
    family = *(const unsigned short *)given;
    if (family == FAMILY_IPV4 && is_any(kept + IPV4_AT, IPV4_LENGTH)) {
        i = inet_pton(FAMILY_IPV4, wanted, kept + IPV4_AT);
    } else if (family == FAMILY_IPV6 && length >= MAPPED_AT + IPV4_LENGTH
               && (is_any(kept + IPV6_AT, IPV6_LENGTH) || is_any_mapped(kept + IPV6_AT))) {
        kept[MAPPED_AT - 2] = kept[MAPPED_AT - 1] = 0xff; /* ::ffff:a.b.c.d */
        i = inet_pton(FAMILY_IPV4, wanted, kept + MAPPED_AT);
    } else {
        return next(handle, address, length);
    }
    if (i != 1) {
        *__errno_location() = NOT_AVAILABLE;
        return FAILED;
    }
    return next(handle, kept, length);
}
