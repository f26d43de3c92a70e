/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KHO_DAMAGE_H
#define _KHO_DAMAGE_H

struct kimage;

#ifdef CONFIG_KEXEC_HANDOVER_DAMAGE_TEST
void kho_damage_load(struct kimage *image);
#else
static inline void kho_damage_load(struct kimage *image)
{
}
#endif

#endif /* _KHO_DAMAGE_H */
